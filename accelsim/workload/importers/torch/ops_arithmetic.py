"""Products, arithmetic, and functions of elements and rows, in the words of ONNX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.onnx.ops_attention import ADDED_MASK
from accelsim.workload.importers.torch.graph import AtenNode, Ref
from accelsim.workload.importers.torch.writer import Rule, Writer


def linear(writer: Writer, node: AtenNode) -> str:
    """Rewrite a product with a transposed weight, and a bias."""
    x, weight, bias = (writer.operand(node[name]) for name in ("input", "weight", "bias"))
    return writer.one(node, "Gemm", x, weight, bias, transB=1)


def add_product(writer: Writer, node: AtenNode) -> str:
    """Rewrite beta times a tensor plus alpha times a product."""
    a, b, more = (writer.operand(node[name]) for name in ("mat1", "mat2", "self"))
    factors = {name: float(node[name]) for name in ("alpha", "beta")}
    return writer.one(node, "Gemm", a, b, more, **factors)


def product(writer: Writer, node: AtenNode) -> str:
    """Rewrite a matrix product."""
    other = "mat2" if "mat2" in node.arguments else "other"
    return writer.one(node, "MatMul", writer.operand(node["self"]), writer.operand(node[other]))


def attention(writer: Writer, node: AtenNode) -> str:
    """Rewrite scaled dot-product attention."""
    if node["dropout_p"]:
        raise CannotModelError("it drops shares at random")
    query, key, value, mask = (
        writer.operand(node[name]) for name in ("query", "key", "value", "attn_mask")
    )
    attributes = {"is_causal": int(node["is_causal"]), "scale": node["scale"], ADDED_MASK: 1}
    if node["attn_mask"] is not None and writer.is_truth(node["attn_mask"]):
        mask = writer.one(node, "Where", mask, writer.operand(0.0), writer.operand(-math.inf))
    return writer.one(node, "Attention", query, key, value, mask, **attributes)


def arithmetic(writer: Writer, node: AtenNode, *, op: str, turned: bool = False) -> str:
    """Rewrite a sum, difference, product or quotient; the second operand may be scaled."""
    if node.arguments.get("rounding_mode") is not None:
        raise CannotModelError("it cuts numbers to whole ones")
    first, second = writer.operand(node["self"]), writer.operand(node["other"])
    alpha = node.arguments.get("alpha", 1)
    if alpha != 1:
        second = writer.one(node, "Mul", second, writer.operand(alpha))
    return writer.one(node, op, *((second, first) if turned else (first, second)))


def power(writer: Writer, node: AtenNode) -> str:
    """Rewrite a power."""
    x, exponent = writer.operand(node["self"]), writer.operand(node["exponent"])
    return writer.one(node, "Pow", x, exponent)


def element_function(
    writer: Writer, node: AtenNode, *, op: str, given: Mapping[str, str] = MappingProxyType({}),
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> str:  # fmt: skip
    """Rewrite a function of single elements or rows.

    Parameters
    ----------
    writer : Writer
        Receives it.
    node : AtenNode
        Its call.
    op : str
        Its name in ONNX.
    given : mapping from str to str
        Attributes, and the arguments that give them.
    fixed : mapping from str to value
        Other attributes.
    """
    attributes = {name: node[argument] for name, argument in given.items()}
    return writer.one(node, op, writer.operand(node["self"]), **attributes, **fixed)


def elu(writer: Writer, node: AtenNode) -> str:
    """Rewrite an ELU whose input and output are not scaled."""
    if node["scale"] != 1 or node["input_scale"] != 1:
        raise CannotModelError("its input or output is scaled")
    return element_function(writer, node, op="Elu", given={"alpha": "alpha"})


def clip(writer: Writer, node: AtenNode, *, low: str | None, high: str | None) -> str:
    """Rewrite bounds; `low` and `high` are the arguments that give them."""
    bounds = [None if name is None else node[name] for name in (low, high)]
    if any(isinstance(bound, Ref) for bound in bounds):
        raise CannotModelError("its bounds are tensors")
    x = writer.operand(node["self"])
    return writer.one(node, "Clip", x, *(writer.operand(bound) for bound in bounds))


def parametric_relu(writer: Writer, node: AtenNode) -> str:
    """Rewrite a ReLU with a learned slope."""
    return writer.one(
        node, "PRelu", writer.operand(node["self"]), writer.operand(node["weight"])
    )  # fmt: skip


def layer_norm(writer: Writer, node: AtenNode) -> str:
    """Rewrite a layer norm."""
    names = [writer.operand(node[name]) for name in ("input", "weight", "bias")]
    axis = -len(node["normalized_shape"])
    return writer.one(
        node, "LayerNormalization", *names, axis=axis, epsilon=float(node["eps"])
    )  # fmt: skip


def mean(writer: Writer, node: AtenNode) -> str:
    """Rewrite a mean over axes."""
    rank = len(writer.shape(node["self"]))
    axes = tuple(axis % rank for axis in node.arguments.get("dim") or range(rank))
    keep = int(node.arguments.get("keepdim", False))
    return writer.one(
        node, "ReduceMean", writer.operand(node["self"]), axes=axes, keepdims=keep
    )  # fmt: skip


def both(writer: Writer, node: AtenNode) -> str:
    """Rewrite an "and" of true and false."""
    if not node.truths[0]:
        raise CannotModelError("it works on bits of whole numbers")
    return writer.one(node, "And", writer.operand(node["self"]), writer.operand(node["other"]))


def negated(writer: Writer, node: AtenNode) -> str:
    """Rewrite a "not" of true and false."""
    if not writer.is_truth(node["self"]):
        raise CannotModelError("it works on whole numbers")
    return writer.one(node, "Not", writer.operand(node["self"]))


def where(writer: Writer, node: AtenNode) -> str:
    """Rewrite a choice between two tensors."""
    names = (writer.operand(node[name]) for name in ("condition", "self", "other"))
    return writer.one(node, "Where", *names)


def masked_fill(writer: Writer, node: AtenNode) -> str:
    """Rewrite a tensor with one number at places that a mask names."""
    names = (writer.operand(node[name]) for name in ("mask", "value", "self"))
    return writer.one(node, "Where", *names)


_HARD_SIGMOID = MappingProxyType({"alpha": 1 / 6, "beta": 0.5})
_axis = MappingProxyType({"axis": "dim"})
#: Arithmetic and functions.
ARITHMETIC_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "aten._softmax.default": partial(element_function, op="Softmax", given=_axis),
        "aten.add.Scalar": partial(arithmetic, op="Add"),
        "aten.add.Tensor": partial(arithmetic, op="Add"),
        "aten.addmm.default": add_product,
        "aten.bitwise_and.Tensor": both,
        "aten.bitwise_not.default": negated,
        "aten.bmm.default": product,
        "aten.clamp.default": partial(clip, low="min", high="max"),
        "aten.clamp_max.default": partial(clip, low=None, high="max"),
        "aten.clamp_min.default": partial(clip, low="min", high=None),
        "aten.div.Scalar": partial(arithmetic, op="Div"),
        "aten.div.Tensor": partial(arithmetic, op="Div"),
        "aten.div.Tensor_mode": partial(arithmetic, op="Div"),
        "aten.elu.default": elu,
        "aten.erf.default": partial(element_function, op="Erf"),
        "aten.gelu.default": partial(
            element_function, op="Gelu", given={"approximate": "approximate"}
        ),
        "aten.hardsigmoid.default": partial(
            element_function, op="HardSigmoid", fixed=_HARD_SIGMOID
        ),
        "aten.hardswish.default": partial(element_function, op="HardSwish"),
        "aten.hardtanh.default": partial(clip, low="min_val", high="max_val"),
        "aten.layer_norm.default": layer_norm,
        "aten.leaky_relu.default": partial(
            element_function, op="LeakyRelu", given={"alpha": "negative_slope"}
        ),
        "aten.linear.default": linear,
        "aten.logical_and.default": both,
        "aten.logical_not.default": negated,
        "aten.masked_fill.Scalar": masked_fill,
        "aten.matmul.default": product,
        "aten.mean.default": mean,
        "aten.mean.dim": mean,
        "aten.mm.default": product,
        "aten.mul.Scalar": partial(arithmetic, op="Mul"),
        "aten.mul.Tensor": partial(arithmetic, op="Mul"),
        "aten.neg.default": partial(element_function, op="Neg"),
        "aten.pow.Tensor_Scalar": power,
        "aten.prelu.default": parametric_relu,
        "aten.relu.default": partial(element_function, op="Relu"),
        "aten.rsub.Scalar": partial(arithmetic, op="Sub", turned=True),
        "aten.scaled_dot_product_attention.default": attention,
        "aten.sigmoid.default": partial(element_function, op="Sigmoid"),
        "aten.silu.default": partial(element_function, op="Swish"),
        "aten.softmax.int": partial(element_function, op="Softmax", given=_axis),
        "aten.sqrt.default": partial(element_function, op="Sqrt"),
        "aten.sub.Scalar": partial(arithmetic, op="Sub"),
        "aten.sub.Tensor": partial(arithmetic, op="Sub"),
        "aten.tanh.default": partial(element_function, op="Tanh"),
        "aten.where.self": where,
    }
)
