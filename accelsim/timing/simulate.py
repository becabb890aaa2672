"""When everything happens: a trace, its schedules and a chip become a timeline.

Ops run one after the other, each with the whole chip; within an op the cores run
side by side and share DRAM and the interconnect. Equal ops on one chip are
simulated once: an op's timing depends on shapes, formats, mapping and the bytes
that it moves, never on values or names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from simpy import Environment

from accelsim.arch.chip import Chip
from accelsim.arch.interconnect import Routing
from accelsim.identity import Alike
from accelsim.schedule.schedule import Schedule
from accelsim.schedule.traffic import OpGroup, Transfer
from accelsim.timing.addresses import needs_addresses
from accelsim.timing.core import CoreModel, Machine, Process
from accelsim.timing.core_log import CoreLog, buffer_levels, busy_intervals
from accelsim.timing.dram import DramModel
from accelsim.timing.gemm_portions import gemm_work
from accelsim.timing.idle import idle_read_bytes
from accelsim.timing.interconnect import InterconnectModel
from accelsim.timing.meeting import Meetings
from accelsim.timing.portions import PORTIONS_PER_BLOCK, CoreWork
from accelsim.timing.requests import Request, timeline_of
from accelsim.timing.steady_state import run_by_periods
from accelsim.timing.timeline import CoreTiming, OpTiming, Timeline
from accelsim.timing.vector_portions import vector_op_work
from accelsim.workload.ops import Gemm, Op, VectorOp
from accelsim.workload.trace import Trace


def _as_made(processes: Sequence[Process]) -> Sequence[Process]:
    return processes


@dataclass(frozen=True, slots=True)
class TimingOptions:
    """How finely to simulate.

    Parameters
    ----------
    portions_per_block : int
        Parts in which a block's transfers and passes may overlap; 1 loads a whole
        block before its first pass.
    reuse_equal_ops : bool
        Simulate equal ops once.
    skip_steady_state : bool
        Advance a long loop by whole periods once its state repeats; the result is the same.

    Raises
    ------
    ValueError
        If there would be no portion.
    """

    portions_per_block: int = PORTIONS_PER_BLOCK
    reuse_equal_ops: bool = True
    skip_steady_state: bool = True

    def __post_init__(self) -> None:
        """Refuse blocks without portions."""
        if self.portions_per_block < 1:
            raise ValueError(f"a block has at least one portion, not {self.portions_per_block}")


def simulate(
    trace: Trace,
    chip: Chip,
    schedules: Mapping[str, Schedule],
    *,
    options: TimingOptions | None = None,
) -> Timeline:
    """Return when the ops of a trace run, and where their cycles go.

    Parameters
    ----------
    trace : Trace
        Ops in order.
    chip : Chip
        The machine.
    schedules : mapping from str to Schedule
        One for every GEMM, by name.
    options : TimingOptions, optional
        How finely to simulate.

    Raises
    ------
    KeyError
        If a GEMM has no schedule.
    """
    options = options or TimingOptions()

    def run(asked: Alike[Request]) -> OpTiming:
        return run_request(asked.it, chip, options=options)

    return timeline_of(trace, chip, schedules, run, reuse_equal_ops=options.reuse_equal_ops)


def simulate_op(
    op: Op,
    chip: Chip,
    schedule: Schedule | None = None,
    *,
    read: Transfer | None = None,
    write: Transfer | None = None,
    options: TimingOptions | None = None,
) -> OpTiming:
    """Return the timing of one op alone, its tensors in DRAM.

    Parameters
    ----------
    op : Gemm or VectorOp
        The op.
    chip : Chip
        The machine.
    schedule : Schedule, optional
        Needed for a `Gemm`.
    read, write : Transfer, optional
        What a `VectorOp` takes and gives; nothing where left out. A `Gemm` writes
        all its outputs to DRAM where `write` is left out.
    options : TimingOptions, optional
        How finely to simulate.
    """
    if write is None and isinstance(op, Gemm):
        size = -(-op.groups * op.m * op.n * op.out.format.bits // 8)
        write = Transfer(size, size if chip.cores > 1 else 0)
    request = Request(
        group=OpGroup(op),
        schedule=schedule,
        places={},
        read=read or Transfer(),
        write=write or Transfer(),
        port_bits=(0, 0),
    )
    return run_request(request, chip, options=options or TimingOptions())


def run_request(
    request: Request,
    chip: Chip,
    *,
    options: TimingOptions,
    creation_order: Callable[[Sequence[Process]], Sequence[Process]] = _as_made,
) -> OpTiming:
    """Simulate a group of ops alone, from cycle 0.

    `creation_order` permutes the processes before SimPy sees them; it must not
    matter, and exists so that this can be checked.
    """
    work = _work(request, chip, options)
    return _op_timing(request, chip, run_work(work, chip, options, creation_order), work)


def run_work(
    work: Mapping[int, CoreWork],
    chip: Chip,
    options: TimingOptions,
    creation_order: Callable[[Sequence[Process]], Sequence[Process]] = _as_made,
) -> list[CoreLog]:
    """Return the accounts of the cores for their work; see `run_request`."""

    def run(some: Mapping[int, CoreWork]) -> list[CoreLog]:
        return _run_events(some, chip, creation_order)

    if options.skip_steady_state and _forgets(work, chip):
        return run_by_periods(work, run)
    return run(work)


def _forgets(work: Mapping[int, CoreWork], chip: Chip) -> bool:
    """Return whether what happened before leaves nothing but time."""
    meets = any(portion.exchange for one in work.values() for portion in one.portions)
    routed = chip.cores > 1 and chip.interconnect.routing is not Routing.PORT
    return not (meets or routed or needs_addresses(chip))


def _run_events(
    work: Mapping[int, CoreWork],
    chip: Chip,
    creation_order: Callable[[Sequence[Process]], Sequence[Process]],
) -> list[CoreLog]:
    """Simulate every portion."""
    env = Environment()
    machine = Machine(
        env,
        dram=DramModel(env, chip, rank=0),
        links=InterconnectModel(env, chip, rank=1),
        meetings=Meetings(env),
    )
    halves = 2 if chip.scratchpad.double_buffering else 1
    cores = [
        CoreModel(
            machine,
            core,
            one.portions,
            array=one.array,
            halves=halves,
            latency=chip.vector_unit.latency_cycles,
            depth=chip.dma.queue_depth,
        )
        for core, one in work.items()
        if one.portions
    ]
    for process in creation_order([process for core in cores for process in core.processes]):
        env.process(process)
    env.run()
    return [core.log for core in cores]


def _work(request: Request, chip: Chip, options: TimingOptions) -> dict[int, CoreWork]:
    head, limit = request.group.head, options.portions_per_block
    if isinstance(head, VectorOp):
        return vector_op_work(
            (head, *request.group.fused),
            chip,
            read=request.read,
            write=request.write,
            port_bits=request.port_bits,
            limit=limit,
        )
    if request.schedule is None:
        raise ValueError(f"GEMM {head.name!r} has no schedule")
    return gemm_work(
        request.schedule,
        chip,
        fused=request.group.fused,
        places=request.places,
        read=request.read,
        write=request.write,
        limit=limit,
        ahead=request.ahead,
    )


def _op_timing(
    request: Request, chip: Chip, logs: Sequence[CoreLog], work: Mapping[int, CoreWork]
) -> OpTiming:
    head = request.group.head
    for log in logs:
        log.close()
    end = max((log.end for log in logs), default=0)
    timings = tuple(log.timing(end) for log in logs) or (CoreTiming(0, 0, 0, {}, 0),)
    critical = next((i for i, log in enumerate(logs) if log.end == end), 0)
    moved = [(one, times) for mine in work.values() for one, times in mine.different()]
    reads = [(one.read, times) for one, times in moved]
    reads += [(mine.early, 1) for mine in work.values()]
    writes = [(one.write, times) for one, times in moved if one.write]
    given = sum(one.exchange.link_bytes * times for one, times in moved if one.exchange)
    return OpTiming(
        name=head.name,
        start=0,
        cores=timings,
        critical=critical,
        macs=head.macs,
        peak_macs_per_cycle=request.peak_macs_per_cycle(chip),
        passes=sum(log.passes for log in logs),
        dram_read_bytes=sum(one.dram_bytes * times for one, times in reads),
        dram_write_bytes=sum(one.dram_bytes * times for one, times in writes),
        link_bytes=sum(one.link_bytes * times for one, times in (*reads, *writes)) + given,
        relative_intervals=busy_intervals(logs),
        relative_levels=buffer_levels(logs),
        idle_read_bytes=idle_read_bytes(logs, chip, end) if chip.prefetch_weights else 0,
    )
