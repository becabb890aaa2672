"""Is my layer compliant? One call that a layer's author runs in a test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from accelsim.formats import get_format
from accelsim.numerics.references import total_reference
from accelsim.precision import Recipe, get_recipe, list_recipes
from accelsim.workload import Layer, Role, TensorInfo, Trace, prepare_parameter
from accelsim.workload.builder import TraceBuilder
from accelsim.workload.input_spec import TOKEN_FORMAT
from accelsim.workload.parameters import Initial
from accelsim.workload.scope import LayerScope
from accelsim.workload.trace_check import check_trace

Float64Array = NDArray[np.float64]
Shape = tuple[int, ...]

#: Float64 sums of some thousand terms, in two different orders.
RELATIVE_TOLERANCE = 1e-10
#: Tokens that a layer is given which looks them up; its table has as many rows at least.
CHECKED_TOKENS = 2


def check_layer(
    layer: Layer,
    input_shapes: Sequence[Shape],
    *,
    batch: int = 2,
    seed: int = 0,
    recipes: Sequence[str] | None = None,
) -> None:
    """Check that a layer keeps the contract of `accelsim.workload.Layer`.

    Checked: the layer survives being written to JSON and read back; its lowering is a
    valid trace under every recipe, whose GEMMs make as many MACs as `macs` says and
    whose output has the shape that `output_shape` says; and that trace, executed in
    float64 on random numbers, gives what `reference` gives.

    Parameters
    ----------
    layer : Layer
        A layer with every field set to something interesting.
    input_shapes : sequence of tuple of int
        Shapes of its inputs, without the batch, that it can take.
    batch : int
        Samples at once; 2 or more also tells batch and space apart.
    seed : int
        Of the random inputs and parameters.
    recipes : sequence of str, optional
        Names of recipes to lower under; all registered ones if not given.

    Raises
    ------
    AssertionError
        At the first rule that is broken; says which one, and by how much.

    Examples
    --------
    >>> from accelsim.workload import Conv2d
    >>> check_layer(Conv2d(name="c", in_channels=3, out_channels=4, kernel=(3, 3)), [(5, 6, 3)])
    """
    shapes = tuple(input_shapes)
    copy = type(layer).model_validate_json(layer.model_dump_json())
    _require(copy == layer, "it changes when it is written to JSON and read back")
    output = layer.output_shape(shapes)
    _require(
        bool(output) and all(isinstance(extent, int) and extent > 0 for extent in output),
        f"output_shape gives {output}; extents are positive whole numbers",
    )
    for name in recipes if recipes is not None else list_recipes():
        _check_lowering(layer, shapes, lower_layer(layer, shapes, get_recipe(name), batch=batch))
    trace = lower_layer(layer, shapes, get_recipe("fp32"), batch=batch)
    _check_values(layer, shapes, trace, np.random.default_rng(seed))


def lower_layer(
    layer: Layer, input_shapes: Sequence[Shape], recipe: Recipe, *, batch: int = 1
) -> Trace:
    """Lower one layer alone; its inputs are the tensors ``input0``, ``input1`` and so on.

    Parameters
    ----------
    layer : Layer
        The layer.
    input_shapes : sequence of tuple of int
        Without the batch.
    recipe : Recipe
        Its exceptions for first and last layers do not apply.
    batch : int
        Samples at once.
    """
    builder = TraceBuilder(recipe, batch)
    inputs = tuple(
        builder.tensor(_input_info(layer, f"input{index}", (batch, *shape), recipe))
        for index, shape in enumerate(input_shapes)
    )
    scope = LayerScope(
        builder=builder,
        name=layer.name,
        inputs=inputs,
        input_shapes=tuple(input_shapes),
        output_shape=layer.output_shape(input_shapes),
        rule=recipe.gemm_rule(),
    )
    output = layer.lower_forward(scope)
    return Trace(
        workload=layer.name,
        recipe=recipe.name,
        phase="inference",
        batch=batch,
        ops=tuple(builder.ops),
        tensors=builder.memory,
        inputs=inputs,
        parameters=tuple(builder.parameters),
        outputs=(builder.in_memory(output),),
        shapes={builder.in_memory(output): builder.tensors[output].shape},
    )


def reads_tokens(layer: Layer) -> bool:
    """Return whether a layer looks tokens up instead of computing with numbers."""
    return layer.token_problem(None) is not None


def _input_info(layer: Layer, name: str, shape: Shape, recipe: Recipe) -> TensorInfo:
    if reads_tokens(layer):
        return TensorInfo(name, shape, Role.TOKEN, get_format(TOKEN_FORMAT))
    return TensorInfo(name, shape, Role.ACTIVATION, recipe.storage_format)


def _check_lowering(layer: Layer, input_shapes: Sequence[Shape], trace: Trace) -> None:
    """Check one trace against what the layer says about itself."""
    under = f"under the recipe {trace.recipe}, "
    problem = check_trace(trace)
    _require(problem is None, f"{under}its trace is not valid: {problem}")
    macs = trace.batch * layer.macs(input_shapes)
    _require(trace.macs == macs, f"{under}its GEMMs make {trace.macs:,} MACs; macs says {macs:,}")
    elements = trace.batch * math.prod(layer.output_shape(input_shapes))
    made = trace.tensors[trace.outputs[0]].elements
    _require(
        made == elements,
        f"{under}its output has {made:,} elements; output_shape says {elements:,}",
    )


def _check_values(
    layer: Layer, input_shapes: Sequence[Shape], trace: Trace, rng: np.random.Generator
) -> None:
    """Compare the float64 execution of a trace with the layer's own definition."""
    shapes = [(trace.batch, *shape) for shape in input_shapes]
    if reads_tokens(layer):
        inputs = [rng.integers(0, CHECKED_TOKENS, shape).astype(float) for shape in shapes]
    else:
        inputs = [rng.standard_normal(shape) for shape in shapes]
    parameters = _random_parameters(layer, input_shapes, rng)
    full_names = {f"{layer.name}.{name}": value for name, value in parameters.items()}
    tensors: dict[str, Float64Array] = dict(zip(trace.inputs, inputs, strict=True))
    for parameter in trace.parameters:
        tensors[parameter.tensor] = prepare_parameter(parameter, full_names)
    if trace.ops:
        got = total_reference(trace, tensors)[trace.outputs[0]]
    else:
        got = tensors[trace.outputs[0]]
    want = layer.reference(inputs, parameters)
    shape = (trace.batch, *layer.output_shape(input_shapes))
    _require(want.shape == shape, f"reference gives the shape {want.shape}, not {shape}")
    error = float(np.max(np.abs(got.reshape(shape) - want), initial=0.0))
    scale = float(np.max(np.abs(want), initial=0.0))
    _require(
        error <= RELATIVE_TOLERANCE * max(scale, 1.0),
        f"its lowering is off its reference by up to {error:.3g}, where values reach {scale:.3g}",
    )


def _random_parameters(
    layer: Layer, input_shapes: Sequence[Shape], rng: np.random.Generator
) -> Mapping[str, Float64Array]:
    """Return random contents for every parameter; those that start at one stay positive."""
    specs = layer.parameters(input_shapes)
    names = [spec.name for spec in specs]
    _require(len(set(names)) == len(names), f"two of its parameters share a name: {names}")
    return {
        spec.name: rng.uniform(0.5, 1.5, spec.shape)
        if spec.initial is Initial.ONE
        else rng.standard_normal(spec.shape)
        for spec in specs
    }


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise AssertionError(f"The layer breaks its contract: {complaint}.")
