"""From a module to a network: export, rewrite, walk."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.importers.onnx.conversion import Origin, network_of
from accelsim.workload.importers.onnx.draft import CannotModelError
from accelsim.workload.importers.torch.exporting import exported
from accelsim.workload.importers.torch.graph import AtenNode
from accelsim.workload.importers.torch.ops_arithmetic import ARITHMETIC_RULES
from accelsim.workload.importers.torch.ops_maps import MAP_RULES
from accelsim.workload.importers.torch.ops_shapes import SHAPE_RULES
from accelsim.workload.importers.torch.writer import Rule, Writer


def _refused(_writer: Writer, node: AtenNode) -> str:
    """Refuse what would only be taken apart into very many small operators."""
    raise CannotModelError(_REFUSED[node.op])


#: Operators that are named as they are, and why no layer stands for them.
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (f"aten.{kind}.input" for kind in ("gru", "lstm", "rnn_relu", "rnn_tanh")),
            "recurrent cells of torch are not taken over; those of an ONNX model are",
        ),
        **dict.fromkeys(
            ("aten.group_norm.default", "aten.instance_norm.default"),
            "it measures its own statistics",
        ),
        "aten.conv3d.default": "it has 3 spatial axes; 1 or 2 are modelled",
    }
)  # fmt: skip
#: What is made of each operator.
RULES: Mapping[str, Rule] = MappingProxyType(
    {**ARITHMETIC_RULES, **MAP_RULES, **SHAPE_RULES, **dict.fromkeys(_REFUSED, _refused)}
)


def load_torch(
    module: Any, example_inputs: Any, *, name: str | None = None, strict: bool = False
) -> ImportedNetwork:
    """Read a torch module as a network with its weights.

    Parameters
    ----------
    module : torch.nn.Module
        What to import, as it computes in evaluation mode. It is left as it was.
    example_inputs : tensor, sequence of tensors, or mapping from str to tensor
        What it is called with, by position or by keyword; every shape comes from here.
        The first axis of each counts samples.
    name : str, optional
        Of the network; the class of the module where None.
    strict : bool
        Refuse a module with an operator that no layer stands for.

    Returns
    -------
    ImportedNetwork
        As of an ONNX model: maps have their channels last.

    Raises
    ------
    ConfigError
        If torch cannot export the module, or it computes nothing; or, with `strict`,
        if an operator is not modelled.
    MissingExtraError
        If torch is not installed.
    """
    graph = exported(module, example_inputs, RULES)
    writer = Writer(graph)
    for node in graph.nodes:
        writer.write(node, RULES.get(node.op))
    label = name or graph.module
    origin = Origin(name=label, file=label, source=f"{graph.module}, exported by {graph.producer}")
    return network_of(writer.model(), origin, strict=strict)
