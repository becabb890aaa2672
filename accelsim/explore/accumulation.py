"""How wrong long sums become: the accumulation experiment of Wang et al. 2018.

Vectors of random numbers are added by accumulators with chunks of many sizes,
and the sums are compared with the exact ones. Without chunks a sum to nearest
freezes where half a step of the accumulator exceeds every addend; chunk sums
are larger addends, so the sum freezes later; stochastic rounding never does.

References
----------
N. Wang et al., "Training Deep Neural Networks with 8-bit Floating Point
Numbers", NeurIPS 2018, figure 3(b): the uniform distribution with mean 1 and
standard deviation 1 and lengths up to 65,536.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError
from accelsim.formats import FloatFormat, FormatSpec, NumberFormat, Rounding
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.numerics.accumulation import inner_rule, outer_rule
from accelsim.numerics.addition import Outputs
from accelsim.numerics.errors_report import measure
from accelsim.precision import Accumulator, arithmetic_format, stored_format

ACCUMULATION_SCHEMA = "accelsim.accumulation_study/1"
#: Chunk sizes of the study unless told otherwise: powers of two.
DEFAULT_CHUNK_SIZES = tuple(2**power for power in range(13))
DEFAULT_ROUNDINGS = (Rounding.NEAREST_EVEN, Rounding.STOCHASTIC)
#: Operands of the product distribution unless told otherwise.
PRODUCT_OPERANDS = "fp8_e5m2"
#: Shortest sum of the curves.
FIRST_LENGTH = 16
MAX_LENGTH = 1 << 26

Array = NDArray[np.float64]
Choice = TypeVar("Choice", bound=StrEnum)


class Distribution(StrEnum):
    """What is added up."""

    #: Uniform with mean 1 and standard deviation 1: on 1 - sqrt(3) to 1 + sqrt(3).
    UNIFORM = "uniform"
    #: Normal with mean 0 and standard deviation 1.
    NORMAL = "normal"
    #: The exponential of a normal with mean 0 and standard deviation 1.
    LOGNORMAL = "lognormal"
    #: Products of two numbers of an operand format, drawn from a normal.
    PRODUCT = "product"
    #: Ones.
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class SumErrors:
    """What became of the sums of one length, by one accumulator.

    Parameters
    ----------
    rounding : Rounding
        Of every addition.
    chunk_size : int
        Products per chunk.
    length : int
        Products per sum.
    relative_error : float
        Euclidean norm over the trials of sum minus exact sum, over that of the exact
        sums: for sums that hardly vary, the rms relative error. Infinity if a sum overflowed.
    mean_sum, mean_exact : float
        Means over the trials.
    unchanged_share : float
        Share of the trials whose sum is still that of the length before; 1 where all
        sums are frozen.
    """

    rounding: Rounding
    chunk_size: int
    length: int
    relative_error: float
    mean_sum: float
    mean_exact: float
    unchanged_share: float


@dataclass(frozen=True, slots=True)
class AccumulationStudy:
    """The settings of a study and its rows: by rounding, chunk size and length, in order."""

    format: NumberFormat
    outer_format: NumberFormat
    input_format: NumberFormat
    distribution: Distribution
    lengths: tuple[int, ...]
    chunk_sizes: tuple[int, ...]
    roundings: tuple[Rounding, ...]
    trials: int
    seed: int
    rows: tuple[SumErrors, ...]

    def curve(self, rounding: Rounding, chunk_size: int) -> tuple[SumErrors, ...]:
        """Return the rows of one accumulator, shortest sum first."""
        return tuple(
            row for row in self.rows if (row.rounding, row.chunk_size) == (rounding, chunk_size)
        )

    def frozen_at(self, rounding: Rounding, chunk_size: int) -> float | None:
        """Return the mean sum at which every trial is frozen at full length, or None."""
        last = self.curve(rounding, chunk_size)[-1]
        return last.mean_sum if last.unchanged_share == 1.0 else None

    def document(self) -> dict[str, Any]:
        """Return the JSON document ``accelsim.accumulation_study/1``; infinity becomes null."""
        return {
            "schema": ACCUMULATION_SCHEMA,
            "format": self.format.name,
            "outer_format": self.outer_format.name,
            "input_format": self.input_format.name,
            "distribution": self.distribution.value,
            "lengths": list(self.lengths),
            "chunk_sizes": list(self.chunk_sizes),
            "roundings": [rounding.value for rounding in self.roundings],
            "trials": self.trials,
            "seed": self.seed,
            "rows": [_json_row(row) for row in self.rows],
        }


def study_accumulation(
    format: FormatSpec = "fp16_e6m9",
    distribution: Distribution | str = Distribution.UNIFORM,
    *,
    outer_format: FormatSpec | None = None,
    input_format: FormatSpec | None = None,
    chunk_sizes: Sequence[int] = DEFAULT_CHUNK_SIZES,
    roundings: Sequence[Rounding | str] = DEFAULT_ROUNDINGS,
    length: int = 65536,
    trials: int = 32,
    seed: int = 0,
    threads: int = 1,
    on_progress: Callable[[str], None] | None = None,
) -> AccumulationStudy:
    """Add random numbers up with many accumulators and measure the sums against exact ones.

    Parameters
    ----------
    format : NumberFormat, str or mapping
        Of the sum inside a chunk. Signed floats of up to 32 bits run compiled; posits,
        integers and tables by the definition, a minute for sums of 65,536.
    distribution : Distribution
        What is added up.
    outer_format : optional
        Of the sum over chunks; that inside a chunk where None.
    input_format : optional
        To which the numbers are rounded, to nearest even, before they are added; that
        of the sum where None, and FP8 (1,5,2) for the operands of products.
    chunk_sizes : sequence of int
        Each at least 1.
    roundings : sequence of Rounding
        Of every addition, inside chunks and over them.
    length : int
        Longest sum; curves have two lengths an octave up to it.
    trials : int
        Vectors of numbers, each with a seed of its own. Shorter sums add the first
        numbers of the same vectors.
    seed : int
        Names the vectors and the random bits of stochastic rounding.
    threads : int
        Never changes a bit.
    on_progress : callable, optional
        Called with what is added next.

    Returns
    -------
    AccumulationStudy

    Raises
    ------
    ConfigError, UnknownNameError
        If a setting is wrong.

    Examples
    --------
    Without chunks the sum stays below 4096, where half a step is 4.

    >>> study = study_accumulation(chunk_sizes=[1, 64], roundings=["nearest_even"], trials=2)
    >>> study.frozen_at(Rounding.NEAREST_EVEN, 1)
    4096.0
    >>> study.frozen_at(Rounding.NEAREST_EVEN, 64) is None
    True
    """
    kind = _choice(Distribution, distribution)
    modes = tuple(_choice(Rounding, rounding) for rounding in roundings)
    _check(length=length, trials=trials, chunk_sizes=chunk_sizes, modes=modes)
    inner = arithmetic_format(format)
    outer = inner if outer_format is None else arithmetic_format(outer_format)
    default_input = PRODUCT_OPERANDS if kind is Distribution.PRODUCT else inner
    operand = stored_format(default_input if input_format is None else input_format)
    addends = draw(kind, operand, length=length, trials=trials, seed=seed)  # (length, trials)
    lengths = tuple(_lengths(length))
    exact = np.array([[math.fsum(x[:n]) for x in addends.T] for n in lengths])
    rows: list[SumErrors] = []
    for rounding in modes:
        accumulators = [
            Accumulator(inner=inner, outer=outer, chunk_size=chunk_size, rounding=rounding)
            for chunk_size in chunk_sizes
        ]
        sums = _sums(addends, accumulators, lengths, StreamKey(seed=seed), threads, on_progress)
        for accumulator, found in zip(accumulators, sums, strict=True):
            rows += _compare(accumulator, lengths, found, exact)
    return AccumulationStudy(
        inner, outer, operand, kind, lengths, tuple(chunk_sizes), modes, trials, seed, tuple(rows)
    )


def draw(
    distribution: Distribution, operand: NumberFormat, *, length: int, trials: int, seed: int
) -> Array:
    """Return the addends, shape (length, trials): rounded to `operand`, or products of such.

    A trial's numbers depend on the seed and on its own number alone.
    """
    addends = np.empty((length, trials))
    for trial in range(trials):
        generator = np.random.Generator(np.random.PCG64((seed, trial)))
        match distribution:
            case Distribution.UNIFORM:
                raw = generator.uniform(1 - math.sqrt(3), 1 + math.sqrt(3), length)
            case Distribution.NORMAL:
                raw = generator.standard_normal(length)
            case Distribution.LOGNORMAL:
                raw = generator.lognormal(size=length)
            case Distribution.PRODUCT:
                pairs = generator.standard_normal((length, 2))
                addends[:, trial] = np.prod(_rounded(pairs, operand), axis=1)
                continue
            case Distribution.CONSTANT:
                raw = np.ones(length)
        addends[:, trial] = _rounded(raw, operand)
    return addends


def _rounded(x: Array, fmt: NumberFormat) -> Array:
    return np.asarray(fmt.quantize(x, rounding=Rounding.NEAREST_EVEN), np.float64)


def _lengths(longest: int) -> Iterator[int]:
    """Yield two lengths an octave, ascending, the last one `longest`."""
    octave = FIRST_LENGTH
    while octave < longest:
        yield octave
        if octave + octave // 2 < longest:
            yield octave + octave // 2
        octave *= 2
    yield longest


def _sums(
    addends: Array,
    accumulators: Sequence[Accumulator],
    lengths: Sequence[int],
    key: StreamKey,
    threads: int,
    on_progress: Callable[[str], None] | None,
) -> Iterator[Array]:
    """Yield the sums of each accumulator, shape (lengths, trials).

    They differ in their chunks alone. A product with ones is the addend itself.
    """
    say = on_progress or (lambda _: None)
    formats = accumulators[0].inner, accumulators[0].outer
    if not all(isinstance(fmt, FloatFormat) and fmt.signed for fmt in formats):
        say(f"all chunks, {accumulators[0].rounding}")
        yield from _side_by_side(addends, accumulators, lengths, key)
        return
    narrow = addends.astype(np.float32)
    # Float32 operands are measured, packed and multiplied faster.
    operand = narrow if np.array_equal(narrow, addends) else addends
    ones = np.ones((1, lengths[-1]), operand.dtype)
    for accumulator in accumulators:
        say(f"chunk {accumulator.chunk_size}, {accumulator.rounding}")
        sums = [
            matmul(ones[:, :n], operand[:n], accumulator, threads=threads, key=key)[0]
            for n in lengths
        ]
        yield np.array(sums, dtype=np.float64)


def _side_by_side(
    addends: Array, accumulators: Sequence[Accumulator], lengths: Sequence[int], key: StreamKey
) -> Iterator[Array]:
    """Do the same by the definition, in one pass for all lengths and all chunk sizes."""
    inner, outer = inner_rule(accumulators[0]), outer_rule(accumulators[0])
    names = Outputs(np.zeros((1, 1), np.int64), np.arange(addends.shape[1]))
    sizes = np.array([accumulator.chunk_length(len(addends)) for accumulator in accumulators])
    parts = np.zeros((sizes.size, addends.shape[1]))
    totals = np.zeros_like(parts)
    sums = []
    for i, addend in enumerate(addends):
        parts = inner.add(parts, np.broadcast_to(addend, parts.shape), i, key, names)
        is_full = (i + 1) % sizes == 0
        is_wanted = i + 1 in lengths
        now = totals.copy()
        for j in np.flatnonzero(is_full | is_wanted):
            one = slice(j, j + 1)
            now[one] = outer.add(totals[one], parts[one], i // int(sizes[j]), key, names)
        totals[is_full], parts[is_full] = now[is_full], 0.0
        if is_wanted:
            sums.append(now)
    yield from np.array(sums).swapaxes(0, 1)


def _compare(
    accumulator: Accumulator, lengths: Sequence[int], sums: Array, exact: Array
) -> Iterator[SumErrors]:
    """Yield one row per length."""
    for position, length in enumerate(lengths):
        figures = measure(sums[position], exact[position])
        same = sums[position] == sums[position - 1] if position else np.zeros(1)
        yield SumErrors(
            rounding=accumulator.rounding,
            chunk_size=accumulator.chunk_length(length),
            length=length,
            relative_error=math.inf if figures.nonfinite else figures.relative,
            mean_sum=float(np.mean(sums[position])),
            mean_exact=float(np.mean(exact[position])),
            unchanged_share=float(np.mean(same)),
        )


def _choice(kind: type[Choice], value: Choice | str) -> Choice:
    """Return a member of an enum, or say what the choices are."""
    try:
        return kind(value)
    except ValueError as error:
        choices = ", ".join(member.value for member in kind)
        raise ConfigError(f"{value!r} is no {kind.__name__.lower()}; choose {choices}.") from error


def _check(
    *, length: int, trials: int, chunk_sizes: Sequence[int], modes: Sequence[Rounding]
) -> None:
    if not FIRST_LENGTH <= length <= MAX_LENGTH:
        raise ConfigError(f"length is {length}; it must be {FIRST_LENGTH} to {MAX_LENGTH}.")
    if trials < 1:
        raise ConfigError(f"trials is {trials}; at least one vector is added up.")
    if not chunk_sizes or not modes:
        raise ConfigError("At least one chunk size and one rounding are needed.")
    if min(chunk_sizes) < 1 or len(set(chunk_sizes)) < len(chunk_sizes):
        raise ConfigError("Chunk sizes are whole numbers from 1 on, each once.")


def _json_row(row: SumErrors) -> dict[str, Any]:
    values = asdict(row)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
