"""Reading parts of a YAML file of another tool; every refusal names its line."""

from __future__ import annotations

from collections.abc import Mapping

from accelsim._config_tree import Node, Step
from accelsim.errors import near_miss_hint

#: Loops and tensors that one product may name.
MAX_PARTS = 100


def mapping(node: Node, what: str) -> Mapping[Step, Node]:
    """Return a mapping's values by key; refuse anything else."""
    if not isinstance(node.value, Mapping):
        node.place.refuse(f"{what} must be a mapping of keys to values.")
    return node.value


def items(node: Node, what: str) -> tuple[Node, ...]:
    """Return a list's values; refuse anything else, and very long ones."""
    if not isinstance(node.value, tuple):
        node.place.refuse(f"{what} must be a list.")
    if len(node.value) > MAX_PARTS:
        node.place.refuse(f"{what} has {len(node.value):,} entries; at most {MAX_PARTS} are read.")
    return node.value


def needed(node: Node, what: str, *names: str) -> Node:
    """Return the value under the first of several names of one key that is there."""
    found = optional(node, what, *names)
    if found is None:
        keys = [str(key) for key in mapping(node, what)]
        hint = near_miss_hint(names[0], keys)
        node.place.refuse(f"{what} has no {names[0]}.{hint}")
    return found


def optional(node: Node, what: str, *names: str) -> Node | None:
    """Return the value under the first of several names that is there, or None."""
    values = mapping(node, what)
    return next((values[name] for name in names if name in values), None)


def text(node: Node, what: str) -> str:
    """Return a string that is not empty."""
    if not isinstance(node.value, str) or not node.value.strip():
        node.place.refuse(f"{what} is {node.value!r}; it must be a text.")
    return node.value.strip()


def positive(node: Node, what: str) -> int:
    """Return a positive whole number below 2^31."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        shown = value if isinstance(value, str | int | float | bool | None) else "a collection"
        node.place.refuse(f"{what} is {shown!r}; it must be a positive whole number below 2^31.")
    return value
