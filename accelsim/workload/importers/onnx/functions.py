"""Functions that a model defines for itself: written out where they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelsim.errors import ConfigError, Problem


def inline_functions(model: Any, file: Path, *, limit: int) -> Any:
    """Return the model with every call of its own functions written out.

    Parameters
    ----------
    model : onnx.ModelProto
        With functions.
    file : Path
        For errors.
    limit : int
        Most nodes that may come of it.

    Raises
    ------
    ConfigError
        If a function calls itself, or the whole would have more than `limit` nodes.
    """
    import onnx.inliner

    bodies = {(one.domain, one.name): one.node for one in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], path: tuple[tuple[str, str], ...]) -> int:
        if key in path or len(path) > len(bodies) or len(path) > 100:
            text = f"Its function {key[1]!r} calls itself, or is nested too deeply."
            raise ConfigError(Problem(text, file=str(file)))
        if key not in sizes:
            sizes[key] = count(bodies[key], (*path, key))
        return sizes[key]

    def count(nodes: Any, path: tuple[tuple[str, str], ...]) -> int:
        calls = ((node.domain, node.op_type) for node in nodes)
        return sum(size(call, path) if call in bodies else 1 for call in calls)

    total = count(model.graph.node, ())
    if total > limit:
        text = f"It has {total:,} nodes with its functions written out; at most {limit:,} are read."
        raise ConfigError(Problem(text, file=str(file)))
    try:
        return onnx.inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        text = "ONNX cannot write out its functions."
        raise ConfigError(Problem(text, file=str(file))) from error
