"""Transformers that another library defines, beside what PyTorch computes."""

from __future__ import annotations

import os
from typing import Any

import pytest

import accelsim
from tests.onnx_models import channels_last, computed, relative_error

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ERROR = 1e-4
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def tokens(count: int) -> Any:
    return torch.arange(count)[None] * 7 % 50


def bert() -> Any:
    config = transformers.BertConfig(
        **SMALL, intermediate_size=64, vocab_size=50, max_position_embeddings=16
    )
    return transformers.BertModel(config)


def gpt2() -> Any:
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, vocab_size=50, n_positions=16, use_cache=False,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def vit() -> Any:
    config = transformers.ViTConfig(**SMALL, intermediate_size=64, image_size=32, patch_size=8)
    return transformers.ViTForImageClassification(config)


#: Width, words or patches with the class, layers: what the closed forms below need.
WIDTH, LAYERS = 32, 2


def encoder_macs(length: int, inner: int) -> int:
    """Return projections, feed-forward and both products of attention, of every layer."""
    per_word = 4 * WIDTH * WIDTH + 2 * WIDTH * inner
    return LAYERS * (length * per_word + 2 * length * length * WIDTH)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    ("make", "name", "given", "macs"),
    [
        (bert, "input_ids", tokens(8), encoder_macs(8, 64) + WIDTH * WIDTH),
        (gpt2, "input_ids", tokens(8), encoder_macs(8, 128) + 8 * WIDTH * 50),
        (vit, "pixel_values", None, encoder_macs(17, 64) + 16 * WIDTH * 192 + WIDTH * 2),
    ],
    ids=["bert", "gpt2", "vit"],
)
def test_a_transformer_agrees(
    make: Any, name: str, given: Any, macs: int, attention: str
) -> None:  # fmt: skip
    torch.manual_seed(0)
    module = make().eval()
    module.set_attn_implementation(attention)
    given = torch.randn(1, 3, 32, 32) if given is None else given
    network = accelsim.from_torch(module, {name: given}, strict=True)
    assert network.workload.macs() == macs
    if make is gpt2:  # the table of words is its last weight, once
        own = sum(parameter.numel() for parameter in module.parameters())
        assert network.workload.parameter_count == own - 16 * WIDTH  # places are a constant
    array = given.numpy() if given.ndim == 2 else channels_last(given.numpy())
    with torch.no_grad():
        theirs = module(**{name: given}).to_tuple()
    ours = computed(network, {"input": array})
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert relative_error(a, b.numpy()) < ERROR


def test_a_mask_may_be_an_input() -> None:
    torch.manual_seed(0)
    module = bert().eval()
    given = {"input_ids": tokens(8), "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0, 1, 0]])}
    network = accelsim.from_torch(module, given, strict=True)
    ours = computed(network, {name: tensor.numpy() for name, tensor in given.items()})
    with torch.no_grad():
        theirs = module(**given).to_tuple()
    assert relative_error(ours[0], theirs[0].numpy()) < ERROR
    assert [layer.kind for layer in network.workload.layers].count("attention") == LAYERS
