"""A trace as a JSON file: ``schema: accelsim.trace/1``.

Formats are written by name, an inline one by the systematic name that says all
its fields, so a file needs nothing beside it. Nothing in a file is ever run, and
whatever is read is bounded and checked like a user's own input.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from accelsim.config import StrictModel
from accelsim.errors import ConfigError, DataError
from accelsim.files import atomic_write
from accelsim.formats import Overflow, Rounding
from accelsim.precision import Accumulator, FormatRef
from accelsim.precision.threshold import Threshold
from accelsim.workload.error_view import ErrorView
from accelsim.workload.heads_view import HeadsView
from accelsim.workload.ops import Gemm, Op, Operand, Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter
from accelsim.workload.trace import Trace
from accelsim.workload.trace_check import check_trace
from accelsim.workload.transposed_view import TransposedView
from accelsim.workload.views import ConvolutionView, MatrixView, View

SCHEMA = "accelsim.trace/1"
_SIDES = ("a", "b", "out")
#: A training step of a deep network is some ten thousand ops of about a kilobyte.
MAX_TRACE_BYTES = 256 * 2**20


_Name = Annotated[str, Field(min_length=1, max_length=500)]
_Extent = Annotated[int, Field(ge=1, le=2**48)]
_Pair = tuple[_Extent, _Extent]
_Padding = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
_Scalar = bool | int | float | str
_Attributes = dict[str, _Scalar | tuple[_Scalar, ...]]


class _MatrixViewEntry(StrictModel):
    kind: Literal["matrix"] = "matrix"
    shape: tuple[_Extent, ...]
    groups: _Extent
    rows: _Extent
    columns: _Extent
    transposed: bool = False
    interleaved: bool = False
    taps: _Extent = 1


class _HeadsViewEntry(StrictModel):
    kind: Literal["heads"] = "heads"
    batch: _Extent
    length: _Extent
    heads: _Extent
    features: _Extent
    repeats: _Extent = 1
    transposed: bool = False


class _WindowedEntry(StrictModel):
    batch: _Extent
    height: _Extent
    width: _Extent
    channels: _Extent
    kernel: _Pair
    stride: _Pair
    padding: _Padding
    dilation: _Pair
    groups: _Extent
    padding_end: _Padding | None = None


class _ConvolutionViewEntry(_WindowedEntry):
    kind: Literal["convolution"] = "convolution"


class _ErrorViewEntry(_WindowedEntry):
    kind: Literal["error"] = "error"


class _TransposedViewEntry(StrictModel):
    kind: Literal["transposed"] = "transposed"
    view: _ConvolutionViewEntry


_ViewEntry = Annotated[
    _MatrixViewEntry
    | _HeadsViewEntry
    | _ConvolutionViewEntry
    | _ErrorViewEntry
    | _TransposedViewEntry,
    Field(discriminator="kind"),
]
_VIEWS: Mapping[type[Any], type[Any]] = MappingProxyType(
    {
        MatrixView: _MatrixViewEntry,
        HeadsView: _HeadsViewEntry,
        ConvolutionView: _ConvolutionViewEntry,
        ErrorView: _ErrorViewEntry,
    }
)
_VIEW_OF: Mapping[type[Any], type[Any]] = MappingProxyType(
    {entry: view for view, entry in _VIEWS.items()}
)


class _OperandEntry(StrictModel):
    tensor: _Name
    view: _ViewEntry
    format: FormatRef


class _GemmEntry(StrictModel):
    kind: Literal["gemm"] = "gemm"
    name: _Name
    layer: _Name
    phase: Phase
    groups: _Extent
    m: _Extent
    n: _Extent
    k: _Extent
    a: _OperandEntry
    b: _OperandEntry
    out: _OperandEntry
    accumulator: Accumulator


class _VectorEntry(StrictModel):
    kind: Literal["vector"] = "vector"
    name: _Name
    layer: _Name
    phase: Phase
    function: _Name
    inputs: tuple[_Name, ...]
    outputs: tuple[_Name, ...]
    elements: Annotated[int, Field(ge=0, le=2**48)]
    compute_format: FormatRef
    rounding: Rounding
    overflow: Overflow | None
    attributes: _Attributes
    fused: bool
    input_shapes: tuple[tuple[_Extent, ...], ...] = ()


class _TensorEntry(StrictModel):
    shape: tuple[_Extent, ...]
    role: Role
    format: FormatRef


class _ParameterEntry(StrictModel):
    tensor: _Name
    preparation: Preparation
    sources: tuple[_Name, ...]
    attributes: _Attributes
    scale: _Name | None
    power_of_two: bool
    margin: int
    threshold: Threshold = Threshold.AMAX
    percentile: float = 100.0
    per_channel: bool = False


class _TraceEntry(StrictModel):
    schema_name: Annotated[Literal["accelsim.trace/1"], Field(alias="schema")]
    workload: str
    recipe: str
    phase: str
    batch: _Extent
    inputs: tuple[_Name, ...]
    outputs: tuple[_Name, ...]
    updates: dict[_Name, _Name] = Field(default_factory=dict)
    shapes: dict[_Name, tuple[_Extent, ...]] = Field(default_factory=dict)
    parameters: tuple[_ParameterEntry, ...]
    tensors: dict[_Name, _TensorEntry]
    ops: tuple[Annotated[_GemmEntry | _VectorEntry, Field(discriminator="kind")], ...]


def save_trace(trace: Trace, path: str | Path) -> None:
    """Write a trace; see `Trace.save`."""
    entry = _TraceEntry.model_validate(
        {
            "schema": SCHEMA,
            **{name: getattr(trace, name) for name in ("workload", "recipe", "phase", "batch")},
            "inputs": trace.inputs,
            "outputs": trace.outputs,
            "updates": dict(trace.updates),
            "shapes": dict(trace.shapes),
            "parameters": tuple(_parameter_entry(parameter) for parameter in trace.parameters),
            "tensors": {
                name: _TensorEntry(shape=info.shape, role=info.role, format=info.format)
                for name, info in trace.tensors.items()
            },
            "ops": tuple(_op_entry(op) for op in trace.ops),
        }
    )
    data = entry.model_dump_json(by_alias=True, indent=1).encode()
    if str(path).endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    atomic_write(path, data)


def load_trace(path: str | Path) -> Trace:
    """Read a trace; see `accelsim.workload.load_trace`."""
    try:
        entry = _TraceEntry.model_validate_json(_read_bounded(Path(path)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise DataError(f"{path} is not a trace: {place}: {first['msg']}.") from None
    except ConfigError as error:
        raise DataError(f"{path} is not a trace: {error}") from None
    trace = Trace(
        workload=entry.workload,
        recipe=entry.recipe,
        phase=entry.phase,
        batch=entry.batch,
        ops=tuple(_op(op) for op in entry.ops),
        tensors={
            name: TensorInfo(name, info.shape, info.role, info.format)
            for name, info in entry.tensors.items()
        },
        inputs=entry.inputs,
        parameters=tuple(_parameter(parameter) for parameter in entry.parameters),
        outputs=entry.outputs,
        updates=entry.updates,
        shapes=entry.shapes,
    )
    problem = check_trace(trace)
    if problem is not None:
        raise DataError(f"{path} is not a valid trace: {problem}")
    return trace


def _read_bounded(path: Path) -> bytes:
    """Return a file's bytes, decompressed, refusing more than `MAX_TRACE_BYTES` of them."""
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.open(raw) as unpacked:
                    data = unpacked.read(MAX_TRACE_BYTES + 1)
            else:
                data = raw.read(MAX_TRACE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"The trace {path} cannot be read: {reason}.") from error
    if len(data) > MAX_TRACE_BYTES:
        raise DataError(f"The trace {path} is larger than {MAX_TRACE_BYTES // 2**20} MiB.")
    return data


def _op_entry(op: Op) -> _GemmEntry | _VectorEntry:
    fields: dict[str, Any] = {name: getattr(op, name) for name in type(op).__dataclass_fields__}
    if isinstance(op, Gemm):
        fields |= {side: _operand_entry(fields[side]) for side in _SIDES}
        return _GemmEntry(**fields)
    return _VectorEntry(**{**fields, "attributes": dict(op.attributes)})


def _op(entry: _GemmEntry | _VectorEntry) -> Op:
    kind = Gemm if isinstance(entry, _GemmEntry) else VectorOp
    fields: dict[str, Any] = {name: getattr(entry, name) for name in kind.__dataclass_fields__}
    if isinstance(entry, _GemmEntry):
        return Gemm(**{**fields, **{side: _operand(fields[side]) for side in _SIDES}})
    return VectorOp(**{**fields, "attributes": tuple(sorted(entry.attributes.items()))})


def _operand_entry(operand: Operand) -> _OperandEntry:
    return _OperandEntry(
        tensor=operand.tensor, view=_view_entry(operand.view), format=operand.format
    )


def _view_entry(view: View) -> Any:
    if isinstance(view, TransposedView):
        return _TransposedViewEntry(view=_view_entry(view.view))
    if type(view) not in _VIEWS:
        raise DataError(f"A trace file cannot hold a view of type {type(view).__name__}.")
    fields = {name: getattr(view, name) for name in type(view).__dataclass_fields__}  # type: ignore[attr-defined]
    return _VIEWS[type(view)](**fields)


def _operand(entry: _OperandEntry) -> Operand:
    return Operand(entry.tensor, _view(entry.view), entry.format)


def _view(entry: Any) -> View:
    if isinstance(entry, _TransposedViewEntry):
        windows = _view(entry.view)
        assert isinstance(windows, ConvolutionView), "its entry is that of a convolution view"
        return TransposedView(windows)
    view: View = _VIEW_OF[type(entry)](**entry.model_dump(exclude={"kind"}))
    return view


def _parameter_entry(parameter: TraceParameter) -> _ParameterEntry:
    fields = {name: getattr(parameter, name) for name in TraceParameter.__dataclass_fields__}
    return _ParameterEntry(**{**fields, "attributes": dict(parameter.attributes)})


def _parameter(entry: _ParameterEntry) -> TraceParameter:
    fields = {name: getattr(entry, name) for name in TraceParameter.__dataclass_fields__}
    return TraceParameter(**{**fields, "attributes": tuple(entry.attributes.items())})
