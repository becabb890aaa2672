"""A token at a time with a cache of keys and values: the same bits as the whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.arch import load_chip
from accelsim.errors import ConfigError
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedules
from accelsim.workload import Gemm, Workload, load_workload, lower
from accelsim.workload.decoding import decode_step
from accelsim.workload.inputs import load_inputs

FEATURES, LENGTH = 24, 9


def whole() -> Workload:
    """Return one layer of a decoder, for LENGTH tokens."""

    def linear(name: str, source: str, columns: int, rows: int = FEATURES) -> dict[str, Any]:
        return {"name": name, "kind": "linear", "in_features": rows, "out_features": columns,
                "inputs": (source,)}  # fmt: skip

    layers = (
        {"name": "p", "kind": "positions", "max_length": LENGTH, "inputs": ("x",)},
        {"name": "n", "kind": "layer_norm", "num_features": FEATURES},
        *(linear(name, "n", FEATURES) for name in "qkv"),
        {"name": "a", "kind": "attention", "heads": 3, "causal": True, "inputs": ("q", "k", "v")},
        linear("o", "a", FEATURES),
        {"name": "s", "kind": "add", "inputs": ("o", "p")},
        linear("up", "s", 2 * FEATURES),
        {"name": "g", "kind": "gelu", "approximate": "tanh"},
        linear("head", "g", 7, 2 * FEATURES),
    )  # fmt: skip
    return Workload.model_validate(
        {
            "name": "net",
            "inputs": {"x": {"shape": (LENGTH, FEATURES)}},
            "layers": layers,
            "outputs": ("head", "k", "v"),
        }
    )


def step() -> Workload:
    """Return it for the last token alone."""
    return decode_step(whole(), LENGTH - 1)


# Recipes whose formats need no scale of a whole tensor, which a later token would change.
@pytest.mark.parametrize(
    "recipe", ["wang2018", "fp8_plain", "hfp8", "bf16_mixed", "fp16_fp16acc", "fp32", "posit8"]
)
def test_a_cached_step_gives_the_bits_of_the_last_row(recipe: str) -> None:
    rule = get_recipe(recipe)
    parameters = he_parameters(whole().parameters, seed=3)
    assert whole().parameters == step().parameters
    x = np.random.default_rng(4).standard_normal((2, LENGTH, FEATURES)).astype(np.float32)

    prefill = lower(whole(), rule, batch=2)
    first = execute(prefill, bind_tensors(prefill, parameters, {"x": x}), references=False)
    keys, values = first.tensors["k"], first.tensors["v"]
    decode = lower(step(), rule, batch=2)
    given = {"x": x[:, -1:], "a.past_key": keys[:, :-1], "a.past_value": values[:, :-1]}
    second = execute(decode, bind_tensors(decode, parameters, given), references=False)

    np.testing.assert_array_equal(second.tensors["head"][:, 0], first.tensors["head"][:, -1])
    fmt = decode.tensors["a.key"].format
    assert fmt == rule.gemm_rule().operands.activation
    np.testing.assert_array_equal(second.tensors["a.key"], fmt.quantize(keys))
    # What a step gives is what the next one takes.
    assert decode.tensors["a.past_key"].format == fmt


def test_every_product_of_a_step_has_one_row_a_sample_or_head() -> None:
    trace = lower(step(), get_recipe("wang2018"), batch=2)
    gemms = {op.name: op for op in trace.ops if isinstance(op, Gemm)}
    assert (gemms["q.forward"].groups, gemms["q.forward"].m) == (1, 2)
    scores, output = gemms["a:scores.gemm"], gemms["a.gemm"]
    # 2 samples of 3 heads of 8 features; 8 keys in the cache and a new one.
    assert (scores.groups, scores.m, scores.n, scores.k) == (6, 1, 9, 8)
    assert (output.groups, output.m, output.n, output.k) == (6, 1, 8, 9)
    appended = next(op for op in trace.vector_ops if op.name == "a.key.append_rows")
    assert appended.elements == 2 * FEATURES  # the cache itself is not visited


def test_the_order_of_a_chip_gives_the_same_bits_too() -> None:
    chip, rule = load_chip("fp8_chunk64"), get_recipe("wang2018")
    parameters = he_parameters(whole().parameters, seed=3)
    x = np.random.default_rng(4).standard_normal((1, LENGTH, FEATURES)).astype(np.float32)
    runs = []
    for cached in (0, LENGTH - 1):
        trace = lower(step() if cached else whole(), rule)
        given = {"x": x[:, cached:]}
        if cached:
            names = {"a.past_key": "k", "a.past_value": "v"}
            given |= {past: runs[0].tensors[name][:, :-1] for past, name in names.items()}
        runs.append(
            execute(
                trace,
                bind_tensors(trace, parameters, given),
                schedules=make_schedules(trace.ops, chip),
                references=False,
            )
        )
    np.testing.assert_array_equal(runs[1].tensors["head"][:, 0], runs[0].tensors["head"][:, -1])


def test_many_inputs_from_one_place_are_counted() -> None:
    loaded = load_inputs(None, load_workload("gpt2_decode").given)
    want = "input: uniform tokens, seed 0; 24 inputs: normal distribution, seed 0"
    assert loaded.provenance == want
    assert len(loaded.values) == 25


def test_a_step_of_gpt2() -> None:
    net = load_workload("gpt2_decode", [("cached", "1023")])
    assert net.parameter_count == 124_439_808
    assert net.given["input"].shape == (1,)
    assert net.given["h.11.attn.past_value"].shape == (1023, 768)
    assert net.output_names[0] == "lm_head"
    assert len(net.output_names) == 1 + 2 * 12
    # Projections of 4 x 768**2 and a net of 2 x 768 x 3072 in each layer; 2 x 1,024 keys x 768;
    # the table of words.
    assert net.macs() == 12 * (4 * 768**2 + 2 * 768 * 3072 + 2 * 1024 * 768) + 768 * 50257


@pytest.mark.parametrize(
    ("name", "cached", "message"),
    [
        ("gpt2", 1024, r"cannot read a token after 1024 others: .* raise max_length"),
        ("bert_base", 5, r"'encoder.layer.0.attention.self' sees what comes after"),
        ("tiny", 5, r"there is no attention"),
    ],
)
def test_what_cannot_go_on_is_refused(name: str, cached: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode_step(load_workload(name), cached)
