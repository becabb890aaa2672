"""Modules of PyTorch beside what PyTorch computes, in the fp32 recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import accelsim
from accelsim.errors import ConfigError, MissingExtraError
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.importers.saving import save_network
from tests.onnx_models import Array, channels_last, computed, relative_error

torch = pytest.importorskip("torch")
nn = torch.nn
functional = nn.functional

ERROR = 1e-4


def numbers(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


def randomised(module: Any) -> Any:
    """Give batch norms statistics and factors that are not 0 and 1."""
    rng = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for array in (part.running_mean, part.running_var, part.weight, part.bias):
                if array is not None:
                    array.data.uniform_(0.5, 1.5, generator=rng)
    return module.eval()


def errors(network: ImportedNetwork, module: Any, x: Any) -> list[float]:
    """Return the error of every output; maps are compared channels last."""
    with torch.no_grad():
        made = module(x)
    theirs = [made] if isinstance(made, torch.Tensor) else list(made)
    ours = computed(network, {"input": given(network, x)})
    return [
        relative_error(a, channels_last(b.numpy()) if a.shape != b.shape else b.numpy())
        for a, b in zip(ours, theirs, strict=True)
    ]


def given(network: ImportedNetwork, x: Any) -> Array:
    """Return the only input as the network reads it: maps with their channels last."""
    array: Array = x.numpy()
    is_same = network.workload.given["input"].shape == array.shape[1:]
    return array if is_same else channels_last(array)


class Function(nn.Module):
    """A module without parameters that calls a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Any) -> Any:
        return self.function(*tensors)


class ResidualBlock(nn.Module):
    """The basic block of a ResNet, with a convolution in its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.downsample = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        shortcut = self.downsample(x)
        x = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        x += shortcut
        x = functional.adaptive_avg_pool2d(self.relu(x), (1, 1))
        return self.fc(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    """The block of MobileNetV2: expand, depthwise, project, add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.expand = nn.Sequential(
            nn.Conv2d(6, 18, 1, bias=False), nn.BatchNorm2d(18), nn.ReLU6()
        )  # fmt: skip
        self.depthwise = nn.Sequential(
            nn.Conv2d(18, 18, 3, padding=1, groups=18, bias=False), nn.BatchNorm2d(18), nn.ReLU6()
        )
        self.project = nn.Sequential(nn.Conv2d(18, 6, 1, bias=False), nn.BatchNorm2d(6))

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        return (x + self.project(self.depthwise(self.expand(x)))).mean((2, 3))


def test_a_residual_block_agrees() -> None:
    module, x = randomised(ResidualBlock()), numbers(2, 3, 12, 10)
    network = accelsim.from_torch(module, x, strict=True)
    assert max(errors(network, module, x)) < ERROR
    # Two 3x3 convolutions and a shortcut on 6 x 5 places, then 8 x 5.
    assert network.workload.macs() == 30 * (27 * 8 + 72 * 8 + 3 * 8) + 40
    assert "conv1" in {layer.name for layer in network.workload.layers}
    assert set(network.arrays) == {n for n in module.state_dict() if "num_batches" not in n}
    assert any("batch of 2" in text for text in network.warnings())


def test_an_inverted_residual_agrees_and_runs() -> None:
    module, x = randomised(InvertedResidual()), numbers(1, 3, 8, 8)
    network = accelsim.from_torch(module, (x,), name="block", strict=True)
    assert max(errors(network, module, x)) < ERROR
    assert [layer.kind for layer in network.workload.layers].count("clip") == 2
    result = accelsim.run(network, arch="fp32", numerics="off")
    assert result.totals.macs == 64 * (27 * 6 + 2 * 6 * 18 + 9 * 18)
    assert network.workload.name == "block"


def test_channels_that_are_split_flattened_and_joined_agree() -> None:
    def function(x: Any) -> Any:
        a, b = x.chunk(2, dim=1)
        y = torch.cat([b, a, x[:, 1:5:2]], dim=1)
        y = functional.pad(y, (1, 0, 2, 1))
        shuffled = y.view(1, 2, 4, *y.shape[2:]).transpose(1, 2).reshape(y.shape)
        return functional.max_pool2d(shuffled, 3, 2, ceil_mode=True).flatten(1)

    module, x = Function(function), numbers(1, 6, 7, 6)
    assert max(errors(accelsim.from_torch(module, x, strict=True), module, x)) == 0


#: Functions of a map, and what they become.
FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "relu6": (functional.relu6, "clip"),
    "clamp": (lambda x: x.clamp(max=0.25), "clip"),
    "leaky_relu": (lambda x: functional.leaky_relu(x, 0.2), "leaky_relu"),
    "elu": (functional.elu, "elu"),
    "gelu": (functional.gelu, "gelu"),
    "gelu tanh": (lambda x: functional.gelu(x, approximate="tanh"), "gelu"),
    "gelu written out": (lambda x: x * 0.5 * (1.0 + torch.erf(x / 2**0.5)), "gelu"),
    "silu": (functional.silu, "swish"),
    "hardswish": (functional.hardswish, "hard_swish"),
    "hardsigmoid": (functional.hardsigmoid, "hard_sigmoid"),
    "sigmoid": (torch.sigmoid, "sigmoid"),
    "tanh": (torch.tanh, "tanh"),
    "softmax": (lambda x: x.softmax(-1), "softmax"),
    "power": (lambda x: x**2, "mul"),
    "1 - 2 x": (lambda x: 1 - 2 * x, "mul"),
    "x / 3 - 1": (lambda x: torch.sub(x / 3, 1.0, alpha=2), "mul"),
    "masked": (lambda x: x.masked_fill(torch.eye(4, 6).bool(), -3.0), "mul"),
    "repeated": (lambda x: x[:, :1].expand(-1, 5, -1, -1), "concat"),
    "sum": (lambda x: torch.add(x, x, alpha=0.5), "add"),
    "average": (lambda x: functional.avg_pool2d(x, 2, padding=1), "avg_pool2d"),
    "adaptive": (lambda x: functional.adaptive_avg_pool2d(x, (2, 3)), "avg_pool2d"),
    "largest": (lambda x: functional.adaptive_max_pool2d(x, 1), "global_max_pool"),
    "unbound": (lambda x: x.unbind(1)[2], "slice"),
    "batch norm": (
        lambda x: functional.batch_norm(x, torch.ones(3) / 2, torch.ones(3) * 3), "batch_norm2d"
    ),
}  # fmt: skip


def test_functions_agree_and_become_these_layers() -> None:
    module = Function(lambda x: tuple(function(x) for function, _ in FUNCTIONS.values()))
    x = numbers(1, 3, 4, 6) * 3
    network = accelsim.from_torch(module, x, strict=True)
    kinds = {layer.name: layer.kind for layer in network.workload.layers}
    readers = {layer.name: layer.inputs or () for layer in network.workload.layers}
    results = zip(errors(network, module, x), network.workload.outputs, strict=True)
    for name, (error, result) in zip(FUNCTIONS, results, strict=True):
        assert error < 2e-6, name
        waiting, made = [result], []
        while waiting:
            layer = waiting.pop()
            made.append(kinds.get(layer, "input"))
            waiting += readers.get(layer, ())
        assert FUNCTIONS[name][1] in made, (name, made)


#: Heads of query and key, lengths of query and key, and options of attention.
ATTENTION: dict[str, tuple[tuple[int, int], tuple[int, int], dict[str, Any]]] = {
    "plain": ((4, 4), (4, 4), {}),
    "scaled": ((4, 4), (4, 4), {"scale": 0.1}),
    "causal": ((4, 4), (4, 4), {"is_causal": True}),
    "causal mask": ((4, 4), (3, 4), {"attn_mask": torch.ones(3, 4).tril(1).bool()}),
    "longer keys": ((4, 4), (3, 5), {"is_causal": True}),
    "shared": ((4, 2), (4, 4), {"enable_gqa": True}),
    "hidden": ((4, 4), (4, 4), {"attn_mask": torch.tensor([[True, True, False, True]])}),
    "per head": ((4, 4), (4, 4), {"attn_mask": numbers(4, 4, 4, seed=5)}),
}


def attend(x: Any, kind: str) -> Any:
    """Attend with parts of x, (1, 4, 5, 8), as query, key and value."""
    (heads, key_heads), (queries, keys), options = ATTENTION[kind]
    key, value = x[:, :key_heads, :keys] * 0.7 + 0.1, x[:, :key_heads, :keys, :6]
    query = x[:, :heads, :queries]
    return functional.scaled_dot_product_attention(query, key, value.tanh(), **options)


def test_attention_is_one_layer_where_a_layer_can_do_it() -> None:
    module, x = (
        Function(lambda x: tuple(attend(x, kind) for kind in ATTENTION)),
        numbers(1, 4, 5, 8),
    )
    network = accelsim.from_torch(module, x, strict=True)
    assert max(errors(network, module, x)) < 2e-6
    layers = [layer for layer in network.workload.layers if layer.kind == "attention"]
    assert len(layers) == len(ATTENTION) - 1  # a mask for each head is written out
    assert [layer.causal for layer in layers] == [
        kind in ("causal", "causal mask") for kind in ATTENTION if kind != "per head"
    ]


def test_a_transformer_layer_of_torch_agrees() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
    module, x = layer.eval().requires_grad_(False), numbers(1, 5, 16)
    network = accelsim.from_torch(module, x, strict=True)
    assert relative_error(computed(network, {"input": x.numpy()})[0], module(x).numpy()) < ERROR


def test_recurrent_cells_are_named_and_counted() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(6, 6)
            self.lstm = nn.LSTM(6, 4, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.embed(x))[0])

    x = numbers(1, 5, 6)
    network = accelsim.from_torch(Tagger(), x)
    (left,) = network.not_modelled
    assert (left.op, left.node) == ("aten.lstm.input", "lstm")
    assert any("1 aten.lstm.input (lstm)" in text for text in network.warnings())
    with pytest.raises(
        ConfigError, match=r"Tagger  node lstm\n  aten\.lstm\.input is not modelled"
    ):
        accelsim.from_torch(Tagger(), x, strict=True)


#: What no layer does, and what is said about it.
REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "chance": (lambda x: functional.dropout(x, 0.5, training=True), "it drops numbers at random"),
    "rounding": (lambda x: torch.div(x, 2, rounding_mode="floor"), "it cuts numbers to whole ones"),
    "complex": (lambda x: x * torch.tensor(1j), "no array of real numbers"),
    "bounds": (lambda x: x.clamp(min=x.mean()), ""),
    "statistics": (lambda x: functional.group_norm(x, 1), "it measures its own statistics"),
    "windows": (lambda x: functional.adaptive_avg_pool2d(x, (3, 3)), "its windows differ"),
    "transposed": (
        lambda x: functional.conv_transpose2d(x, torch.ones(3, 2, 2, 2)), "it is transposed"
    ),
    "sorted": (lambda x: x.sort(-1)[0], "no layer does this"),
}  # fmt: skip


def test_what_is_not_modelled_is_named_with_a_reason() -> None:
    module = Function(lambda x: tuple(function(x) * 2 for function, _ in REFUSED.values()))
    network = accelsim.from_torch(module, numbers(1, 3, 4, 6))
    told = " | ".join(f"{left.op}: {left.reason}" for left in network.not_modelled)
    for _, reason in REFUSED.values():
        assert reason in told
    assert "aten.sort" in told


def test_a_module_is_left_as_it_was_and_weights_are_copies() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
    network = accelsim.from_torch(module, numbers(1, 4), strict=True)
    before = network.arrays["_0.weight"].copy()
    module[0].weight.data.zero_()
    assert module.training
    assert module[1].training
    assert np.array_equal(network.arrays["_0.weight"], before)
    assert before.any()


def test_a_module_becomes_files_that_run_by_themselves(tmp_path: Path) -> None:
    class Scorer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 8)
            self.head = nn.Linear(8, 9, bias=False)
            self.head.weight = self.table.weight

        def forward(self, words: Any, scale: Any) -> Any:
            return self.head(self.table(words) * scale)

    module = Scorer().eval()
    example = {"scale": numbers(1, 8), "words": torch.tensor([[1, 5, 8, 1]])}
    network = accelsim.from_torch(module, example, name="scorer", strict=True)
    written = save_network(network, tmp_path / "scorer.yaml")
    assert network.workload.parameter_count == 72  # once
    result = accelsim.run(
        tmp_path / "scorer.yaml", arch="fp32", weights=written[1],
        input={name: tensor.numpy() for name, tensor in example.items()},
    )  # fmt: skip
    assert result.totals.macs == 4 * 8 * 9
    (ours,) = computed(network, {name: tensor.numpy() for name, tensor in example.items()})
    with torch.no_grad():
        assert relative_error(ours, module(**example).numpy()) < ERROR


def test_what_is_no_module_or_no_example_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"A torch\.nn\.Module is imported, not a int"):
        accelsim.from_torch(1, numbers(1, 4))
    for example in (None, (), 3, [numbers(1, 4), "x"]):
        with pytest.raises(ConfigError, match="example_inputs must be"):
            accelsim.from_torch(nn.ReLU(), example)
    with pytest.raises(ConfigError, match=r"Linear\n  torch\.export cannot export it: .*"):
        accelsim.from_torch(nn.Linear(3, 3), numbers(1, 4))


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "accelsim\[torch\]"'):
        accelsim.from_torch(object(), object())
