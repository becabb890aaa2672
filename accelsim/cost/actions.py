"""Actions: what costs energy, and how often it happened.

Counts come from the schedule and from nothing else: never from simulated time,
never from data. They are plain numbers of multiplications, additions, bits and
bytes, so they can be checked by hand, and conservation laws hold between them.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from accelsim.formats import NumberFormat


class Component(StrEnum):
    """A part of the chip, or a cause of energy: the columns of every breakdown."""

    MAC_ARRAY = "mac_array"
    ACCUMULATOR = "accumulator"
    VECTOR_UNIT = "vector_unit"
    SCRATCHPAD = "scratchpad"
    INTERCONNECT = "interconnect"
    DRAM = "dram"
    CLOCK = "clock"
    LEAKAGE = "leakage"


class Verb(StrEnum):
    """What a component does."""

    #: Multiplications of an operand pair.
    MULTIPLY = "multiply"
    #: Additions: of a product in an inner format, or of chunk sums in an outer one.
    ADD = "add"
    #: Bits written into a register of the array on an operand's way to its place.
    PRELOAD_BITS = "preload_bits"
    #: Bits of streamed operands read at the edge of the array.
    EDGE_BITS = "edge_bits"
    #: Cycles in which one processing element is clocked.
    CLOCK = "clock"
    #: Element visits of a vector function.
    FUNCTION = "function"
    #: Bytes that leave a memory.
    READ_BYTES = "read_bytes"
    #: Bytes that enter a memory.
    WRITE_BYTES = "write_bytes"
    #: Bytes times the links that they cross.
    BYTE_HOPS = "byte_hops"


@dataclass(frozen=True, slots=True)
class Action:
    """A kind of event that has a price.

    Parameters
    ----------
    component : Component
        Who does it.
    verb : Verb
        What is done.
    formats : tuple of NumberFormat
        Of a multiplication and of the addition that takes its product: the operand
        pair, then the format of the sum, for both depend on all three. Of an outer
        addition and of a function: the format computed in.
    function : str
        Name of a vector function.
    """

    component: Component
    verb: Verb
    formats: tuple[NumberFormat, ...] = ()
    function: str = ""

    def __hash__(self) -> int:
        # Formats take long to hash, and few actions differ in nothing else.
        return hash((self.component, self.verb, self.function))

    def __str__(self) -> str:
        names = " ".join(fmt.name for fmt in self.formats)
        return " ".join(part for part in (self.component, self.verb, self.function, names) if part)


class ActionCounts(Mapping[Action, float]):
    """How often each action happened; an action that did not happen counts 0.

    Examples
    --------
    >>> read = Action(Component.DRAM, Verb.READ_BYTES)
    >>> counts = ActionCounts({read: 64}) + ActionCounts({read: 32})
    >>> counts[read], counts[Action(Component.DRAM, Verb.WRITE_BYTES)]
    (96, 0)
    """

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[Action, float] | None = None) -> None:
        table = dict(counts or {})
        for action, count in table.items():
            if not count >= 0:
                raise ValueError(f"{action} happened {count} times; a count is at least 0")
        self._counts = {action: count for action, count in table.items() if count}

    def __getitem__(self, action: Action) -> float:
        return self._counts.get(action, 0)

    def __contains__(self, action: object) -> bool:
        return action in self._counts

    def __iter__(self) -> Iterator[Action]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[Action, float]:
        """Return the actions that happened, and how often."""
        return self._counts.items()

    def __add__(self, other: ActionCounts) -> ActionCounts:
        both = ActionCounts()
        both._counts = total = dict(self._counts)
        for action, count in other._counts.items():
            total[action] = total.get(action, 0) + count
        return both

    def __repr__(self) -> str:
        inside = ", ".join(f"{action}: {count:,}" for action, count in self.items())
        return f"ActionCounts({inside})"

    def total(self, component: Component | None = None, verb: Verb | None = None) -> float:
        """Return the sum of the counts of a component, a verb, or both."""
        return sum(
            count
            for action, count in self.items()
            if component in (None, action.component) and verb in (None, action.verb)
        )
