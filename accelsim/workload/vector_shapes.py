"""Which shapes a vector op may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from accelsim.workload.ops import Attribute, VectorOp
from accelsim.workload.recurrent_functions import RECURRENT, recurrent_shape_problem
from accelsim.workload.row_shapes import ROW_FUNCTIONS, row_shape_problem
from accelsim.workload.shape_functions import JOINT_FUNCTIONS, joint_shape_problem

Shape = tuple[int, ...]
Attributes = Mapping[str, Attribute]

#: Operands with one element per channel, and operands with one element, by name.
_CHANNEL_WISE = frozenset(
    {"bias", "error_mean", "gain", "inverse_deviation", "mean", "product_mean", "scale", "shift"}
)
_SCALAR = frozenset(
    {"beta", "learning_rate", "loss_scale", "momentum", "scale_a", "scale_b", "weight_decay"}
)


def shape_problem(
    op: VectorOp, names: Sequence[str], inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> str | None:
    """Return what is wrong with the shapes of a vector op, in a sentence, or None.

    Parameters
    ----------
    op : VectorOp
        Its function is a known one.
    names : sequence of str
        What the function calls its inputs.
    inputs, outputs : sequence of tuple of int
        Shapes of the tensors, as many as the op names.
    """
    if op.function in JOINT_FUNCTIONS:
        return joint_shape_problem(op, inputs, outputs)
    if op.function in RECURRENT:
        return recurrent_shape_problem(op, inputs, outputs)
    if op.function in ROW_FUNCTIONS:
        return row_shape_problem(op, inputs, outputs)
    main = inputs[0]
    made = _OUTPUT_SHAPES.get(op.function, _same)(main, dict(op.attributes))
    if made is None:
        return f"{op.function} cannot take the shape {main} with the attributes it has."
    for name, shape in zip(names[1:], inputs[1:], strict=True):
        wanted = _operand_shape(name, main, made, dict(op.attributes))
        if name == "scale_b" and shape == main[-1:]:
            continue  # of a weight with a scale for each output channel
        if shape != wanted:
            return f"its {name} has the shape {shape}, not {wanted}."
    if outputs[0] != made:
        return f"its output has the shape {outputs[0]}, not {made}."
    if any(shape != (1,) for shape in outputs[1:]):
        return f"its second output has the shape {outputs[1]}, not (1,)."
    return None


def _operand_shape(name: str, main: Shape, made: Shape, attributes: Attributes) -> Shape:
    """Return the shape that an operand after the first one must have."""
    if name in _CHANNEL_WISE:
        return main[-1:]
    if name in _SCALAR:
        return (1,)
    if name == "amax_history":
        return _history(main, attributes) or ()
    special = {"correction": (2,), "labels": main[:-1], "windows": made}
    return special.get(name, main)


def _same(main: Shape, _attributes: Attributes) -> Shape | None:
    return main


def _one_pixel(main: Shape, _attributes: Attributes) -> Shape | None:
    return (main[0], 1, 1, main[3]) if len(main) == 4 else None


def _one_element(_main: Shape, _attributes: Attributes) -> Shape | None:
    return (1,)


def _history(_main: Shape, attributes: Attributes) -> Shape | None:
    length = attributes.get("history")
    return (length,) if type(length) is int and length > 0 else None


def _channels(main: Shape, _attributes: Attributes) -> Shape | None:
    return main[-1:]


def _from_one_pixel(main: Shape, attributes: Attributes) -> Shape | None:
    extents = _pair(attributes.get("extents"))
    if len(main) != 4 or extents is None or main[1:3] != (1, 1) or min(extents) < 1:
        return None
    return (main[0], *extents, main[3])


def _from_windows(main: Shape, attributes: Attributes) -> Shape | None:
    """Return the shape of the map that was pooled to `main`, or None where it was not."""
    extents = _pair(attributes.get("extents"))
    if len(main) != 4 or extents is None:
        return None
    pooled = (main[0], *extents, main[3])
    return pooled if _windows(pooled, attributes) == main else None


def _windows(main: Shape, attributes: Attributes) -> Shape | None:
    """Return the shape of a pooled map, or None where map or window make no sense."""
    names = ("kernel", "stride", "dilation", "padding", "padding_end")
    kernel, stride, dilation, padding, end = (_pair(attributes.get(name)) for name in names)
    overhang = _pair(attributes.get("overhang", (0, 0)))
    if len(main) != 4 or not (kernel and stride and padding and end and dilation and overhang):
        return None
    if min(*kernel, *stride, *dilation) < 1 or min(*padding, *end, *overhang) < 0:
        return None
    counts = []
    for axis in (0, 1):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        room = main[1 + axis] + padding[axis] + end[axis] + overhang[axis] - reach
        if room < 0:
            return None
        counts.append(room // stride[axis] + 1)
    return (main[0], counts[0], counts[1], main[3])


def _pair(value: Attribute | None) -> tuple[int, int] | None:
    if isinstance(value, tuple) and len(value) == 2:
        first, second = value
        if type(first) is int and type(second) is int:
            return first, second
    return None


_OUTPUT_SHAPES: Mapping[str, Callable[[Shape, Attributes], Shape | None]] = MappingProxyType(
    {
        "all_finite": _one_element,
        "avg_pool": _windows,
        "avg_pool_backward": _from_windows,
        "binary_cross_entropy": _one_element,
        "channel_mean": _channels,
        "channel_sum": _channels,
        "channel_variance": _channels,
        "cross_entropy": _one_element,
        "direction_factor": _one_element,
        "global_avg_pool": _one_pixel,
        "global_avg_pool_backward": _from_one_pixel,
        "layer_norm_weight_gradient": _channels,
        "largest_place": _windows,
        "max_pool": _windows,
        "max_pool_backward": _from_windows,
        "normalized_sum": _channels,
        "place_backward": _from_windows,
        "remember_amax": _history,
        "squared_error": _one_element,
    }
)
