"""A network as a user writes it: inputs and a list of layers on named tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, GetPydanticSchema, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from accelsim.config import StrictModel, load_model
from accelsim.errors import ConfigError, UnknownNameError
from accelsim.files import resource_path
from accelsim.registry import Registry
from accelsim.workload.graph import INPUT, Graph, LayerError, resolve_graph
from accelsim.workload.input_spec import InputSpec
from accelsim.workload.layers import Embedding, Layer
from accelsim.workload.layers.base import LAYER_NAME, MAX_EXTENT
from accelsim.workload.parameters import ParameterSpec


@lru_cache(maxsize=1)
def layer_registry() -> Registry[type[Layer]]:
    """Return the table of layers by kind: accelsim's own and what plugins add."""
    return Registry("layer", group="accelsim.layers", builtin="accelsim.workload.layers:BUILTIN")


def _validate_layer(data: Any) -> Layer:
    if isinstance(data, Layer):
        return data
    if not isinstance(data, Mapping):
        raise PydanticCustomError(
            "layer", "A layer is a mapping such as {name: relu1, kind: relu}."
        )
    kind = data.get("kind")
    if not isinstance(kind, str):
        known = ", ".join(layer_registry().names())
        raise PydanticCustomError("layer", f"A layer needs a kind, one of: {known}.")
    try:
        layer = layer_registry().get(kind)
    except UnknownNameError as error:
        raise _located(("kind",), str(error)) from error
    try:
        # JSON mode, as for every file: lists fill tuples and strings fill enums.
        text = json.dumps(dict(data))
    except (TypeError, ValueError) as error:
        raise PydanticCustomError(
            "layer", "A layer holds plain values: {reason}.", {"reason": str(error)}
        ) from error
    return layer.model_validate_json(text)


def _located(place: tuple[str | int, ...], message: str) -> ValidationError:
    """Return an error that tells the loader where in the file to look."""
    error = PydanticCustomError("workload", "{message}", {"message": message})
    return ValidationError.from_exception_data(
        "Workload", [InitErrorDetails(type=error, loc=place, input=None)]
    )


def _any_layer() -> core_schema.CoreSchema:
    classes = {kind: cls.__pydantic_core_schema__ for kind, cls in layer_registry().items()}
    return core_schema.tagged_union_schema(classes, discriminator="kind")


#: A layer of any registered kind.
AnyLayer = Annotated[
    Layer,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(
            _validate_layer,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda layer: (
                    layer.model_dump(mode="json", exclude_defaults=True) | {"kind": layer.kind}
                )
            ),
        ),
        lambda _schema, handler: handler(_any_layer()),
    ),
]


#: Name of an input, which layers read it by.
InputName = Annotated[str, Field(pattern=LAYER_NAME, max_length=200)]


class Workload(StrictModel):
    """A network: inputs, layers, and where it comes from."""

    name: str = Field(min_length=1, max_length=200)
    """Name of the network."""
    description: str = ""
    """What it is, in a sentence."""
    source: str = ""
    """Who defined it."""
    input: InputSpec | None = None
    """What it reads, under the name ``input``; null where it reads several things."""
    inputs: dict[InputName, InputSpec] = Field(default_factory=dict, max_length=100)
    """What it reads, by name, in place of `input`; layers name what they read."""
    layers: tuple[AnyLayer, ...] = Field(max_length=100_000)
    """Layers in the order of computation; each reads the one before unless it names others."""
    outputs: tuple[str, ...] = ()
    """Layers whose outputs are results; empty means the last layer."""
    fold_batch_norm: bool = False
    """Fold batch norm into the convolution before it, for inference."""
    cached: int = Field(default=0, ge=0, le=MAX_EXTENT)
    """Tokens that a decoder has read before: it then reads one more, with the keys and values of
    these as inputs, as `accelsim.workload.decoding` says. 0 reads its whole input at once."""

    def __hash__(self) -> int:
        """Return a hash of what equal networks share."""
        return hash((self.name, self.layers, tuple(self.given), self.outputs))

    @model_validator(mode="after")
    def _check_graph(self) -> Self:
        if bool(self.inputs) is (self.input is not None):
            raise _located(
                ("inputs",) if self.inputs else (),
                "A network has an input, or inputs by name: exactly one of the two is given.",
            )
        if not self.layers:
            raise _located(("layers",), "A network needs at least one layer.")
        try:
            graph = self.graph
        except LayerError as error:
            raise _located(("layers", error.index, *error.place), str(error)) from error
        self._check_readers(graph)
        self._check_ties(graph)
        known = {node.name for node in graph.nodes}
        for index, name in enumerate(self.outputs):
            if name not in known:
                raise _located(("outputs", index), f"{name!r} is no layer of this network.")
        return self

    def _check_readers(self, graph: Graph) -> None:
        """Refuse an input that nobody reads, and tokens where numbers are expected."""
        for name in self.inputs:
            if name not in graph.readers:
                raise _located(
                    ("inputs", name), f"Nothing reads {name!r}. Name it in the inputs of a layer."
                )
        for name, spec in self.given.items():
            for node in graph.effective_readers(name):
                problem = node.layer.token_problem(spec.vocabulary)
                if problem is not None:
                    raise _located(
                        ("layers", node.index), f"{node.layer.kind} {node.name!r} {problem}."
                    )

    def _check_ties(self, graph: Graph) -> None:
        """Refuse a weight that is to be that of a layer which has none of its shape."""
        tables: dict[str, tuple[int, ...]] = {}
        for node in graph.nodes:
            wanted, owner = getattr(node.layer, "table", None), node.layer.tied_layer()
            if owner is None:
                if isinstance(node.layer, Embedding):
                    tables[node.name] = node.layer.table
            elif tables.get(owner) != wanted:
                fitting = ", ".join(name for name, shape in tables.items() if shape == wanted)
                raise _located(
                    ("layers", node.index, "tied_to"),
                    f"{node.name!r} needs the table {wanted} of an embedding before it, and "
                    f"{owner!r} is none. Such tables: {fitting or 'none'}.",
                )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, unchecked; its graph is made anew."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("graph", None)
        return copy

    @cached_property
    def graph(self) -> Graph:
        """The layers, connected, with every shape."""
        return resolve_graph(
            self.layers,
            {name: spec.shape for name, spec in self.given.items()},
            fold_batch_norm=self.fold_batch_norm,
            outputs=self.outputs,
        )

    @property
    def given(self) -> Mapping[str, InputSpec]:
        """What the network reads, by name, in order; the name of a single `input` is ``input``."""
        return self.inputs if self.input is None else {INPUT: self.input}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Layers whose outputs are results."""
        return self.outputs or (self.layers[-1].name,)

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """Every parameter by full name, such as ``conv1.weight``, in PyTorch's layout."""
        return {
            f"{node.name}.{spec.name}": spec
            for node in self.graph.nodes
            for spec in node.layer.parameters(node.input_shapes)
        }

    @property
    def parameter_count(self) -> int:
        """Numbers that training changes: weights, biases, batch-norm weight and bias."""
        count = 0
        for spec in self.parameters.values():
            size = 1
            for extent in spec.shape:
                size *= extent
            count += size if spec.learned else 0
        return count

    def macs(self, batch: int = 1) -> int:
        """Return the multiply-accumulates of one inference, padding zeros included."""
        return batch * sum(node.macs for node in self.graph.nodes)


def load_workload(
    name: str | Path,
    overrides: Sequence[tuple[str, str]] = (),
    *,
    dims: Mapping[str, int] | None = None,
) -> Workload:
    """Load a network that ships with accelsim, a YAML file, or one of another tool.

    Parameters
    ----------
    name : str or Path
        A name such as ``resnet50``, or a path; ``.onnx`` is a model, ``.csv`` a topology
        of SCALE-Sim, and ``.yaml`` may be Timeloop's or ZigZag's.
    overrides : sequence of (key, text)
        Values to put in last, such as ``("fold_batch_norm", "true")``.
    dims : mapping from str to int, optional
        Extents of symbolic dimensions, for an ``.onnx`` model.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    ConfigError
        With every problem and its place in the file.
    """
    from accelsim.workload.importers import import_network, is_foreign

    if is_foreign(name):
        return import_network(name, dims=dims).with_overrides(overrides).workload
    if dims:
        raise ConfigError("--dim is for the file of another tool, such as .onnx.")
    path = resource_path("workloads", str(name))
    workload = load_model(path, Workload, overrides=overrides, flag="--set workload.")
    if not workload.cached:
        return workload
    from accelsim.workload.decoding import decode_step

    return decode_step(workload, workload.cached)
