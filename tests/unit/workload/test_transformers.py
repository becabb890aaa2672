"""The transformers that ship: parameters and MACs in closed form, and as published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelsim.api import run
from accelsim.numerics.execution import Execution
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import get_recipe, list_recipes
from accelsim.workload import Trace, Workload, load_workload, lower
from accelsim.workload.settings import seeded_inputs
from accelsim.workload.trace_check import check_trace


def linear(inside: int, out: int) -> int:
    """Weights and biases of a linear layer."""
    return inside * out + out


def layer_parameters(features: int, filter_size: int, *, attentions: int = 1) -> int:
    """Four projections an attention, a net of two layers, and a norm after each of them."""
    norms = (attentions + 1) * 2 * features
    net = linear(features, filter_size) + linear(filter_size, features)
    return attentions * 4 * linear(features, features) + net + norms


def layer_macs(features: int, filter_size: int, length: int) -> int:
    """Four projections, scores and output over all pairs of rows, and the net."""
    return length * (4 * features**2 + 2 * features * filter_size) + 2 * length**2 * features


def test_bert_base_by_hand() -> None:
    # transformers.BertModel: 109,482,240 with its pooler. Words, places and kinds of sentence,
    # a norm, 12 layers, the pooler.
    network = load_workload("bert_base")
    tables = (30_522 + 512 + 2) * 768 + 2 * 768
    count = tables + 12 * layer_parameters(768, 3072) + linear(768, 768)
    assert network.parameter_count == count == 109_482_240
    assert network.macs() == 12 * layer_macs(768, 3072, 128) + 768**2
    longer = load_workload(
        "bert_base",
        [(f"inputs.{name}.shape", "[384]") for name in ("input_ids", "token_type_ids")],
    )
    assert longer.macs() == 12 * layer_macs(768, 3072, 384) + 768**2
    assert longer.parameter_count == count


def test_gpt2_by_hand() -> None:
    # transformers.GPT2LMHeadModel: 124,439,808, the last weight being the table of words. Words
    # and 1,024 places, 12 layers, a norm.
    network = load_workload("gpt2")
    count = (50_257 + 1024) * 768 + 12 * layer_parameters(768, 3072) + 2 * 768
    assert network.parameter_count == count == 124_439_808
    assert network.macs() == 12 * layer_macs(768, 3072, 128) + 128 * 768 * 50_257


def test_vit_b16_by_hand() -> None:
    # torchvision's vit_b_16: 86,567,656 parameters and 17.56 GFLOPs, which there are MACs.
    # Patches, the class's row, 197 places, 12 layers, a norm, the classifier.
    network = load_workload("vit_b16")
    count = linear(16 * 16 * 3, 768) + 768 + 197 * 768 + 12 * layer_parameters(768, 3072)
    assert network.parameter_count == count + 2 * 768 + linear(768, 1000) == 86_567_656
    macs = 196 * (16 * 16 * 3) * 768 + 12 * layer_macs(768, 3072, 197) + 768 * 1000
    assert network.macs() == macs
    assert round(macs / 1e9, 2) == 17.56


@pytest.mark.parametrize(
    ("name", "features", "filter_size", "layers", "words", "length"),
    [("transformer_base", 512, 2048, 6, 37_000, 64), ("transformer_tiny", 128, 512, 2, 16, 8)],
)
def test_encoder_and_decoder_by_hand(
    name: str, features: int, filter_size: int, layers: int, words: int, length: int
) -> None:
    network = load_workload(name)
    encoder = layers * layer_parameters(features, filter_size) + 2 * features
    decoder = layers * layer_parameters(features, filter_size, attentions=2) + 2 * features
    assert network.parameter_count == encoder + decoder + words * features
    # The decoder's second attention asks the encoder's rows, as many as its own.
    cross = length * 4 * features**2 + 2 * length**2 * features
    macs = 2 * layer_macs(features, filter_size, length) + cross
    assert network.macs() == layers * macs + length * features * words


def test_transformer_base_is_as_large_as_published() -> None:
    # PyTorch's Transformer() has 44,140,544 parameters without words; Vaswani et al., table 3,
    # say 65 million with their 37,000.
    network = load_workload("transformer_base")
    assert network.parameter_count == 44_140_544 + 37_000 * 512
    assert round(network.parameter_count / 65e6, 1) == 1.0


def test_pytorch_counts_the_same_encoder_and_decoder() -> None:
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        model = torch.nn.Transformer(batch_first=True)
    counted = sum(one.numel() for one in model.parameters())
    assert counted == 44_140_544


@pytest.mark.parametrize("phase", ["inference", "training"])
@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_lowers_the_small_one(recipe: str, phase: str) -> None:
    network = load_workload("transformer_tiny")
    trace = lower(network, get_recipe(recipe), batch=2, phase=phase)
    assert check_trace(trace) is None
    if phase == "training":
        # Every product has two on the way back, as all that is multiplied learns or is made of
        # what learns.
        assert trace.macs == 3 * 2 * network.macs()


def test_a_training_step_of_the_base_one_is_three_times_its_products() -> None:
    network = load_workload("transformer_base")
    trace = lower(network, get_recipe("wang2018"), phase="training")
    assert check_trace(trace) is None
    assert trace.macs == 3 * network.macs()
    assert len(trace.updates) == 2 * len(network.parameters)  # each with its velocity


def test_a_training_step_has_values_cycles_and_energy() -> None:
    result = run("transformer_tiny", phase="training", threads=1)
    assert sum(op.macs for op in result.ops) == 3 * 7_454_720
    # Cores of 32 x 32 elements, two FP8 MACs each.
    assert result.totals.cycles >= 3 * 7_454_720 / (4 * 32 * 32 * 2)
    assert sum(sum(op.energy_pj.values()) for op in result.ops) > 0
    assert {op.phase for op in result.ops} == {"forward", "backward", "gradient", "update"}
    loss = next(op for op in result.ops if op.name == "loss.cross_entropy")
    assert loss.error_total is not None
    assert loss.error_total.relative < 0.3


def test_the_manual_counts_what_the_files_hold() -> None:
    page = Path(__file__).parents[3] / "docs" / "transformers.md"
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+) \| ([\d,]+) \|$", page.read_text(), re.M)
    assert len(rows) == 6
    for name, parameters, macs in rows:
        network = load_workload(name)
        counts = f"{network.parameter_count:,}", f"{network.macs():,}"
        assert counts == (parameters, macs), name


def attention_step(*overrides: tuple[str, str]) -> tuple[Trace, Execution]:
    """Do a step of a small encoder layer, as a recipe that is changed says."""
    layers: tuple[dict[str, Any], ...] = (
        *({"name": name, "kind": "linear", "in_features": 8, "out_features": 8,
           "inputs": ("input",)} for name in "qkv"),
        {"name": "a", "kind": "attention", "heads": 2, "inputs": ("q", "k", "v")},
        {"name": "n", "kind": "layer_norm", "num_features": 8},
        {"name": "head", "kind": "linear", "in_features": 8, "out_features": 5},
    )  # fmt: skip
    net = Workload.model_validate({"name": "n", "input": {"shape": (6, 8)}, "layers": layers})
    trace = lower(net, get_recipe("fp32", overrides), batch=2, phase="training")
    assert check_trace(trace) is None
    x = np.random.default_rng(1).standard_normal((2, 6, 8))
    more = seeded_inputs(trace, loss_scale=1.0)
    tensors = bind_tensors(trace, he_parameters(net.parameters), x, more=more)
    return trace, execute(trace, tensors, references=False)


def test_what_waits_for_the_way_back_can_wait_in_few_bits() -> None:
    # Every float32 is a member of fp32, so that waiting in it changes nothing.
    plain, want = attention_step()
    kept, got = attention_step(("saved_activations", "fp32"))
    for name in plain.outputs:
        np.testing.assert_array_equal(got.tensors[name], want.tensors[name], err_msg=name)
    waiting = {name for name in kept.tensors if name.endswith(":saved")}
    assert waiting == {f"{name}:saved" for name in ("input", "q", "k", "v", "a:shares", "a", "n")}
    _, coarse = attention_step(("saved_activations", "range2_group"))
    assert not np.array_equal(coarse.tensors["q.weight.updated"], want.tensors["q.weight.updated"])
