"""Convolution, pooling and normalisation of maps, in the words of ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.model import Shape
from accelsim.workload.importers.torch.graph import AtenNode
from accelsim.workload.importers.torch.writer import Rule, Writer


def convolution(writer: Writer, node: AtenNode) -> str:
    """Rewrite a convolution of one or two spatial axes."""
    if node.arguments.get("transposed", False):
        raise CannotModelError("it is transposed")
    x, weight, bias = (writer.operand(node[name]) for name in ("input", "weight", "bias"))
    kernel = writer.shape(node["weight"])[2:]
    dilation = _each(node["dilation"], len(kernel))
    return writer.one(
        node, "Conv", x, weight, bias,
        strides=_each(node["stride"], len(kernel)), dilations=dilation, group=node["groups"],
        pads=_pads(node["padding"], kernel, dilation),
    )  # fmt: skip


def batch_norm(writer: Writer, node: AtenNode) -> tuple[str, ...]:
    """Rewrite a batch norm that uses the statistics of training."""
    if node.arguments.get("training", False) or node["running_mean"] is None:
        raise CannotModelError("it measures its own statistics")
    channels = writer.shape(node["running_mean"])
    usual = {"weight": np.ones(channels, np.float32), "bias": np.zeros(channels, np.float32)}
    names = [
        writer.constant(usual[name]) if node[name] is None else writer.operand(node[name])
        for name in ("weight", "bias", "running_mean", "running_var")
    ]
    x = writer.operand(node["input"])
    return (writer.one(node, "BatchNormalization", x, *names, epsilon=float(node["eps"])),)


def pool(writer: Writer, node: AtenNode, *, op: str) -> tuple[str, ...]:
    """Rewrite the pooling of windows."""
    spatial = 1 if "1d" in node.op else 2
    kernel = _each(node["kernel_size"], spatial)
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": _each(node["stride"], spatial) if node["stride"] else kernel,
        "pads": _pads(node["padding"], kernel, kernel),
        "ceil_mode": int(node["ceil_mode"]),
    }
    if op == "MaxPool":
        attributes["dilations"] = _each(node["dilation"], spatial)
    else:
        if node.arguments.get("divisor_override") is not None:
            raise CannotModelError("it divides by a number of its own")
        attributes["count_include_pad"] = int(node["count_include_pad"])
    outputs = len(node.shapes)
    return writer.add(node, op, [writer.operand(node["self"])], count=outputs, **attributes)


def adaptive_pool(writer: Writer, node: AtenNode, *, op: str) -> tuple[str, ...]:
    """Rewrite a pooling to a given extent, if its windows are all alike."""
    before = writer.shape(node["self"])[2:]
    after = node.shapes[0][2:]
    x = writer.operand(node["self"])
    if all(extent == 1 for extent in after):
        names = writer.add(node, f"Global{op}", [x])
    elif any(old % new for old, new in zip(before, after, strict=True)):
        raise CannotModelError(f"its windows differ: {list(before)} to {list(after)}")
    else:
        window = tuple(old // new for old, new in zip(before, after, strict=True))
        names = writer.add(node, op, [x], kernel_shape=window, strides=window)
    return names


def _pads(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> Shape:
    """Return the padding before all axes and after all axes."""
    if padding == "valid":
        return (0,) * 2 * len(kernel)
    if padding == "same":
        total = [step * (extent - 1) for extent, step in zip(kernel, dilation, strict=True)]
        return (*(n // 2 for n in total), *(n - n // 2 for n in total))
    return _each(padding, len(kernel)) * 2


def _each(values: Sequence[int], count: int) -> Shape:
    """Return one number per axis; a single one is that of every axis."""
    return tuple(values) * count if len(values) == 1 else tuple(values)


_max_pool = partial(pool, op="MaxPool")
_average_pool = partial(pool, op="AveragePool")
_adaptive_average = partial(adaptive_pool, op="AveragePool")
#: Operators on maps.
MAP_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "aten._adaptive_avg_pool2d.default": _adaptive_average,
        "aten._native_batch_norm_legit_no_training.default": batch_norm,
        "aten.adaptive_avg_pool1d.default": _adaptive_average,
        "aten.adaptive_avg_pool2d.default": _adaptive_average,
        "aten.adaptive_max_pool2d.default": partial(adaptive_pool, op="MaxPool"),
        "aten.avg_pool1d.default": _average_pool,
        "aten.avg_pool2d.default": _average_pool,
        "aten.batch_norm.default": batch_norm,
        "aten.conv1d.default": convolution,
        "aten.conv1d.padding": convolution,
        "aten.conv2d.default": convolution,
        "aten.conv2d.padding": convolution,
        "aten.convolution.default": convolution,
        "aten.max_pool1d.default": _max_pool,
        "aten.max_pool2d.default": _max_pool,
        "aten.max_pool2d_with_indices.default": _max_pool,
    }
)
