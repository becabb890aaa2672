"""The array of one core in time: runs of passes, and blocks that start when their data is there.

The cycles of a block are summed over its nested runs, so they cost as much as
the pattern is long, not as there are passes. Between two passes that follow each
other directly lies the largest of what the array, the outer accumulator and the
scratchpad's port need; each one's excess over those before it is its stall.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from accelsim.schedule.passes import PassGroup, PassPattern
from accelsim.timing import closed_forms as forms
from accelsim.timing.closed_forms import ArrayForm, Pass
from accelsim.timing.memory import Port


class Cycles(NamedTuple):
    """A span of array time, split by cause; `plain` is the closed form without stalls."""

    plain: int = 0
    accumulator: int = 0
    scratchpad: int = 0
    preload: int = 0

    @property
    def total(self) -> int:
        """All cycles."""
        return sum(self)

    def plus(self, other: Cycles, times: int = 1) -> Cycles:
        """Return this span and another one `times` times."""
        return Cycles(
            self.plain + times * other.plain,
            self.accumulator + times * other.accumulator,
            self.scratchpad + times * other.scratchpad,
            self.preload + times * other.preload,
        )


class Border(NamedTuple):
    """Cycles around the border between a portion's passes and those before.

    Parameters
    ----------
    gap : Cycles
        From the start of the last pass before to that of the portion's first; the
        first preload where nothing is before.
    lead : int
        From the operands' arrival to the first vector.
    streaming, last : int
        From the start of the last pass to its last vector, and to its last sum.
    output : int
        From the start of a pass that completes outputs to the first of them: with
        k along the rows they leave one vector after the other, with k in time at
        the end of the pass.
    """

    gap: Cycles
    lead: int
    streaming: int
    last: int
    output: int


@dataclass(frozen=True, slots=True)
class ArrayModel:
    """The array of a core while it runs one GEMM.

    Parameters
    ----------
    form : ArrayForm
        Shape and switches.
    port : Port
        The scratchpad's array side.
    distance : int
        Passes from one that leaves a partial sum to the one that continues it, at
        least; 1 where k is the innermost loop.
    """

    form: ArrayForm
    port: Port
    distance: int = 1
    _ideal: ArrayForm = field(init=False)

    def __post_init__(self) -> None:
        """Keep the array without accumulator stalls beside the real one."""
        object.__setattr__(self, "_ideal", self.form.without_accumulator())

    def gap(self, before: PassGroup, after: PassGroup) -> Cycles:
        """Return the time from the start of a pass to that of the next."""
        one, two = _as_pass(before), _as_pass(after, waits=self.distance == 1)
        plain = forms.gap(self._ideal, one, two)
        real = forms.gap(self.form, one, two)
        stream = self.port.stream_cycles(before)
        load = self.port.preload_cycles(after)
        late = max(0, stream - forms.occupancy(self.form, one))
        back = self._reload(after)
        if self.form.k_on_rows and not self.form.preload_hidden:
            # One after the other: what the slower of port and array takes for each.
            return Cycles(plain, real - plain, late, max(0, load - self.form.preload))
        streamed = max(real, stream) if self.form.overlap_passes else real + late
        shared = self.port.shared_cycles(before, after) if load else 0
        return Cycles(plain, real - plain, streamed - real, max(0, shared - streamed) + back)

    def lead(self, first: PassGroup) -> Cycles:
        """Return the time from the first tile's arrival to its first vector: the preload."""
        rows = self.form.preload
        slow = max(0, self.port.preload_cycles(first) - rows)
        return Cycles(rows, 0, 0, slow + self._reload(first))

    def last(self, last: PassGroup) -> Cycles:
        """Return the time from the start of the last pass to its last stored sum."""
        item = _as_pass(last)
        plain = forms.last_pass(self._ideal, item)
        real = forms.last_pass(self.form, item)
        slow = max(0, self.port.stream_cycles(last) - forms.occupancy(self.form, item))
        return Cycles(plain, real - plain, slow)

    def border(self, before: PassRun | None, run: PassRun) -> Border:
        """Return the cycles around the start of `run`, directly after `before` if it is given."""
        lead, last = self.lead(run.first), self.last(run.last).total
        streaming = last - self.form.depth - forms.accumulator_tail(self.form)
        return Border(
            gap=lead if before is None else self.gap(before.last, run.first),
            lead=lead.total,
            streaming=streaming,
            last=last,
            output=last - run.last.vectors + self._turn if self.form.k_on_rows else streaming,
        )

    def run(self, pattern: PassPattern) -> PassRun:
        """Return the passes of a pattern as one run."""
        if self._needs_unrolling(pattern):
            return _unrolled(self, tuple(pattern.groups()))
        return self._run_body(pattern.body, pattern.repeat)

    def _reload(self, group: PassGroup) -> int:
        """Return the cycles to shift partial sums back into an array whose outputs stay."""
        return 0 if self.form.k_on_rows or group.k_first else self.form.rows

    def _needs_unrolling(self, pattern: PassPattern) -> bool:
        """Whether a partial sum of more than one pass ago can hold up a pass."""
        if self.distance == 1 or not self.form.k_on_rows:
            return False
        waits = (forms.dependency(self.form, _as_pass(kind)) for kind in pattern.totals())
        return max(waits) > self.distance * (self._turn or self.form.rows)

    @property
    def _turn(self) -> int:
        """Cycles of one output in an element where kernel rows stay, else 0."""
        return 0 if self.form.stack is None else self.form.stack.period

    def _run_body(self, body: tuple[PassGroup | PassPattern, ...], repeat: int) -> PassRun:
        run: PassRun | None = None
        for item in body:
            if isinstance(item, PassGroup):
                part = self._run_group(item)
            else:
                part = self._run_body(item.body, item.repeat)
            run = part if run is None else run.then(part, self.gap(run.last, part.first))
        if run is None:
            raise ValueError("a pattern has at least one pass")
        return run.times(repeat, self.gap(run.last, run.first)) if repeat > 1 else run

    def _run_group(self, group: PassGroup) -> PassRun:
        one = PassRun(group, group, 1, group.vectors, Cycles(), 0 if group.k_last else None)
        return one.times(group.count, self.gap(group, group) if group.count > 1 else Cycles())


@dataclass(frozen=True, slots=True)
class PassRun:
    """Passes that follow each other directly.

    Parameters
    ----------
    first, last : PassGroup
        The first and the last pass.
    passes, vectors : int
        How many passes, and their streamed vectors.
    span : Cycles
        From the start of the first pass to the start of the last.
    first_output : int or None
        Cycles from the start of the first pass to that of the first one that
        completes outputs; None where none does.
    """

    first: PassGroup
    last: PassGroup
    passes: int
    vectors: int
    span: Cycles
    first_output: int | None

    def then(self, other: PassRun, gap: Cycles) -> PassRun:
        """Return this run with another directly after it, `gap` from last to first start."""
        output = self.first_output
        if output is None and other.first_output is not None:
            output = self.span.total + gap.total + other.first_output
        return PassRun(
            first=self.first,
            last=other.last,
            passes=self.passes + other.passes,
            vectors=self.vectors + other.vectors,
            span=self.span.plus(gap).plus(other.span),
            first_output=output,
        )

    def times(self, repeat: int, gap: Cycles) -> PassRun:
        """Return this run `repeat` times in a row."""
        if repeat == 1:
            return self
        return PassRun(
            first=self.first,
            last=self.last,
            passes=self.passes * repeat,
            vectors=self.vectors * repeat,
            span=Cycles().plus(self.span, repeat).plus(gap, repeat - 1),
            first_output=self.first_output,
        )


def _as_pass(group: PassGroup, *, waits: bool = True) -> Pass:
    return Pass(
        vectors=group.vectors,
        k=group.k,
        continues=waits and not group.k_first,
        recirculates=group.recirculates,
    )


def _unrolled(model: ArrayModel, groups: tuple[PassGroup, ...]) -> PassRun:
    """Walk every pass of a run whose partial sums come back after several passes."""
    starts: deque[int] = deque(maxlen=model.distance)
    run: PassRun | None = None
    for group in groups:
        wait = forms.dependency(model.form, _as_pass(group))
        for _ in range(group.count):
            one = PassRun(group, group, 1, group.vectors, Cycles(), 0 if group.k_last else None)
            if run is None:
                run = one
            else:
                gap = model.gap(run.last, group)
                late = 0
                if len(starts) == model.distance:
                    late = max(0, starts[0] + wait - run.span.total - gap.total)
                run = run.then(one, gap._replace(accumulator=gap.accumulator + late))
            starts.append(run.span.total)
    if run is None:
        raise ValueError("a run has at least one pass")
    return run
