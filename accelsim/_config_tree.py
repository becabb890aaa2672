"""A configuration as a tree that remembers where each value was written.

`accelsim.config` builds the tree out of YAML, merges a base into it and puts
overrides in; the plain data for validation and the place of every problem are
both read off it. Nodes are frozen: an alias shares its node, and a change
makes new nodes along one path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

from accelsim.errors import ConfigError, Problem

#: A step in a tree: a key of a mapping or an index of a list.
Step: TypeAlias = str | int
Path: TypeAlias = tuple[Step, ...]
Scalar: TypeAlias = str | int | float | bool | None

_STEP = re.compile(r"\.?(?P<key>[^.\[\]]+)|\[(?P<index>[0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a file (or an option), a line and a column from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def problem(self, message: str, path: Path = ()) -> Problem:
        """Return a problem at this place."""
        return Problem(
            message, path=format_path(path), file=self.file, line=self.line, column=self.column
        )

    def refuse(self, message: str, path: Path = ()) -> NoReturn:
        """Raise a `ConfigError` with one problem at this place."""
        raise ConfigError(self.problem(message, path))


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place; `key_place` is that of the key it stands under, if any.

    `size` counts the scalars and collections below and including this one, and
    `height` the levels below it, aliases written out; both are of the tree as
    it was parsed.
    """

    value: Scalar | tuple[Node, ...] | Mapping[Step, Node]
    place: Place
    key_place: Place | None = None
    size: int = 1
    height: int = 0

    @classmethod
    def of(cls, value: tuple[Node, ...] | Mapping[Step, Node], place: Place) -> Node:
        """Return the node of a collection, measured."""
        below = value.values() if isinstance(value, Mapping) else value
        size = 1 + sum(node.size for node in below)
        return cls(value, place, size=size, height=1 + max((n.height for n in below), default=0))

    def child(self, step: Step) -> Node | None:
        """Return the node one step below, or None where there is none."""
        if isinstance(self.value, Mapping):
            found = self.value.get(step)
            if found is None and isinstance(step, str) and step.isdecimal():
                return self.value.get(int(step))
            return found
        if isinstance(self.value, tuple) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def data(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        if isinstance(self.value, Mapping):
            return {key: node.data() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.data() for node in self.value]
        return self.value


def a_list(items: Sequence[Any]) -> str:
    """Say how long a list is."""
    return f"a list of {len(items)} {'entry' if len(items) == 1 else 'entries'}"


def format_path(path: Path) -> str:
    """Write a path as ``memories[1].capacity_kib``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parse_path(text: str) -> Path | None:
    """Read a path such as ``memories[1].capacity_kib``; None if it is not one."""
    path: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (match["key"] and (position > 0) != match[0].startswith(".")):
            return None
        path.append(match["key"] if match["key"] else int(match["index"]))
        position = match.end()
    return tuple(path) or None


def node_at(root: Node, path: Path) -> Node:
    """Return the node at `path`, or the deepest one on the way that exists."""
    node = root
    for step in path:
        below = node.child(step)
        if below is None:
            return node
        node = below
    return node


def place_of(root: Node, path: Path) -> Place:
    """Return where the value at `path` is: the scalar itself, or the key of a collection."""
    node = node_at(root, path)
    if isinstance(node.value, tuple | Mapping) and node.key_place is not None:
        return node.key_place
    return node.place


def merge(base: Node, top: Node) -> Node:
    """Lay `top` over `base`: mappings merge key by key, anything else is replaced.

    Two mappings whose `kind` differs describe different things and are not
    merged either. Keys keep the order of the base; new ones follow.
    """
    if not isinstance(base.value, Mapping) or not isinstance(top.value, Mapping):
        return top
    kinds = [node.child("kind") for node in (base, top)]
    if kinds[0] and kinds[1] and kinds[0].value != kinds[1].value:
        return top
    merged = dict(base.value)
    for key, node in top.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return replace(top, value=merged)


def relocated(node: Node, place: Place) -> Node:
    """Return a tree all of whose values are at `place`."""
    value = node.value
    if isinstance(value, Mapping):
        value = {key: relocated(below, place) for key, below in value.items()}
    elif isinstance(value, tuple):
        value = tuple(relocated(below, place) for below in value)
    return replace(node, value=value, place=place, key_place=place)


def put(root: Node, path: Path, new: Node, *, depth: int = 0) -> Node:
    """Return the tree with `new` at `path`; missing mappings on the way are made.

    Raises
    ------
    ConfigError
        If the path leads through a scalar or past the end of a list.
    """
    if depth == len(path):
        return replace(new, key_place=new.place)
    step, here = path[depth], format_path(path[:depth]) or "the top level"
    if isinstance(root.value, tuple):
        if not isinstance(step, int) or step >= len(root.value):
            new.place.refuse(f"{here} is {a_list(root.value)}, counted from 0.", path)
        items = list(root.value)
        items[step] = put(items[step], path, new, depth=depth + 1)
        return replace(root, value=tuple(items))
    if root.value is None and depth > 0:
        root = replace(root, value={})
    if not isinstance(root.value, Mapping):
        new.place.refuse(f"{here} is {root.value!r}, which has nothing inside it.", path)
    if isinstance(step, int):
        new.place.refuse(f"{here} is a mapping, not a list: use a key, not an index.", path)
    below = root.value.get(step, Node({}, new.place, new.place))
    return replace(root, value={**root.value, step: put(below, path, new, depth=depth + 1)})
