"""Which file a key of ``--set`` or ``--vary`` belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from accelsim.errors import ConfigError, Problem, near_miss_hint

#: (key inside its file, value text).
Override = tuple[str, str]


def split_overrides(
    texts: Iterable[str], targets: Mapping[str, type[BaseModel]]
) -> dict[str, tuple[Override, ...]]:
    """Sort ``KEY=VALUE`` texts by the file that they change.

    A key begins with the name of a target, such as ``arch.``; without one it is
    accepted where exactly one target has such a field.

    Parameters
    ----------
    texts : iterable of str
        Such as ``arch.mac_array.rows=64``.
    targets : mapping
        Model by prefix.

    Returns
    -------
    dict
        For each prefix its overrides, in order; empty tuples where there are none.

    Raises
    ------
    ConfigError
        With every text that has no ``=``, no known field, or an ambiguous one.
    """
    chosen: dict[str, list[Override]] = {prefix: [] for prefix in targets}
    problems = []
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            problems.append(Problem("Expected KEY=VALUE, such as arch.cores=2.", file=text))
            continue
        try:
            prefix, rest = _locate(key.strip(), targets)
        except ValueError as error:
            problems.append(Problem(str(error), file=f"--set {text}"))
            continue
        chosen[prefix].append((rest, value))
    if problems:
        raise ConfigError(problems)
    return {prefix: tuple(pairs) for prefix, pairs in chosen.items()}


def _locate(key: str, targets: Mapping[str, type[BaseModel]]) -> tuple[str, str]:
    head, _, rest = key.partition(".")
    if head in targets:
        if not rest:
            raise ValueError(f"{head} alone names no field; write {head}.FIELD=VALUE.")
        return head, rest
    owners = [prefix for prefix, model in targets.items() if has_field(model, key)]
    if len(owners) == 1:
        return owners[0], key
    if owners:
        options = " or ".join(f"{prefix}.{key}" for prefix in owners)
        raise ValueError(f"{key} exists in several files: write {options}.")
    known = [*targets, *(name for model in targets.values() for name in model.model_fields)]
    prefixes = ", ".join(f"{prefix}." for prefix in targets)
    raise ValueError(
        f"No file has a field {key}.{near_miss_hint(head, known)} Keys begin with {prefixes}"
    )


def has_field(model: type[BaseModel], key: str) -> bool:
    """Return whether a dotted key such as ``layers[0].stride`` leads to a field of `model`."""
    annotation: Any = model
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        models = [m for m in _models_of(annotation) if part in m.model_fields]
        if not models:
            return False
        annotation = models[0].model_fields[part].annotation
    return True


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin in (Union, UnionType, tuple, list, dict):
        return [m for arg in get_args(annotation) for m in _models_of(arg)]
    if origin is Annotated:
        return _models_of(get_args(annotation)[0])
    return []
