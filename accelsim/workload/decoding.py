"""From a network that reads a whole text to the step that reads its next token alone.

Keys and values of the tokens before it are inputs, one pair for every attention, and go
out again with the new rows behind them, so that the next step can read them. Every GEMM
has one row for each sample, or one for each sample and head.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from accelsim.errors import ConfigError
from accelsim.workload.graph import Node
from accelsim.workload.input_spec import InputSpec
from accelsim.workload.layers import Attention, CacheAppend, Layer, Positions
from accelsim.workload.network import Workload


def decode_step(workload: Workload, cached: int) -> Workload:
    """Return the network for one more token after `cached` others.

    Its inputs are those of the network, one row or token long, and ``NAME.past_key`` and
    ``NAME.past_value`` (cached, features) for every attention NAME. Its outputs are those
    of the network, and ``NAME.key`` and ``NAME.value`` (cached + 1, features). Parameters
    and their names stay.

    Parameters
    ----------
    workload : Workload
        A decoder: each of its attentions is causal, and its inputs are sequences.
    cached : int
        At least 1.

    Raises
    ------
    ConfigError
        If the network is no such decoder, or its positions end before the new token.

    Examples
    --------
    >>> from accelsim.workload import load_workload
    >>> step = decode_step(load_workload("gpt2"), 7)
    >>> step.inputs["h.0.attn.past_key"].shape, len(step.output_names)
    ((7, 768), 25)
    """
    nodes = [node for node in workload.graph.nodes if isinstance(node.layer, Attention)]
    whole = [node.name for node in nodes if not _is_causal(node)]
    if whole or not nodes:
        found = f"{whole[0]!r} sees what comes after" if whole else "there is no attention"
        raise ConfigError(
            f"{workload.name} cannot read one token after others: {found}, and only causal "
            "attention can be cached; leave cached out."
        )
    inputs = {
        name: spec.model_copy(update={"shape": (1, *spec.shape[1:])})
        for name, spec in workload.given.items()
    }
    for node in nodes:
        for kind, shape in zip(("key", "value"), node.input_shapes[1:3], strict=True):
            inputs[f"{node.name}.past_{kind}"] = InputSpec(shape=(cached, shape[1]))
    layers = tuple(layer for node in workload.graph.nodes for layer in _with_cache(node, cached))
    caches = tuple(f"{node.name}.{kind}" for node in nodes for kind in ("key", "value"))
    fields = {name: getattr(workload, name) for name in Workload.model_fields} | {
        "input": None,
        "inputs": inputs,
        "layers": layers,
        "outputs": (*workload.output_names, *caches),
        "cached": 0,
    }
    try:
        return Workload.model_validate(fields)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ConfigError(
            f"{workload.name} cannot read a token after {cached} others: {reason}"
        ) from None


def _is_causal(node: Node) -> bool:
    return isinstance(node.layer, Attention) and node.layer.causal and len(node.inputs) == 3


def _with_cache(node: Node, cached: int) -> Iterator[Layer]:
    """Yield a layer as it is in the step, and before an attention the caches that it reads."""
    layer, name = node.layer, node.name
    if isinstance(layer, Positions):
        yield layer.model_copy(update={"inputs": node.inputs, "offset": layer.offset + cached})
        return
    if not isinstance(layer, Attention):
        yield layer if layer.is_source else layer.model_copy(update={"inputs": node.inputs})
        return
    query, *others = node.inputs
    kinds = ("key", "value")
    for kind, source in zip(kinds, others, strict=True):
        yield CacheAppend(name=f"{name}.{kind}", inputs=(f"{name}.past_{kind}", source))
    yield layer.model_copy(update={"inputs": (query, *(f"{name}.{kind}" for kind in kinds))})
