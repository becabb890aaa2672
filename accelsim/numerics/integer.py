"""Two's complement accumulators that wrap or saturate, and how wide they must be.

References
----------
I. Colbert, A. Pappalardo, J. Petri-Koenig, "A2Q: Accumulator-aware quantization
with guaranteed overflow avoidance", ICCV 2023.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.numerics.adder import Watch
from accelsim.numerics.addition import Float64Array
from accelsim.precision import Accumulator, IntegerOverflow

#: Widest product that float64 and an int64 sum hold exactly.
MAX_INTEGER_MAGNITUDE = 2.0**53


def accumulate_integer(
    products: Float64Array, accumulator: Accumulator, *, watch: Watch | None = None
) -> Float64Array:
    """Add integer products in a register of `integer_bits`, in order.

    Every addition, inside a chunk and over chunks, wraps or saturates; a watch is
    told of it. k = 0 gives 0. A sum beyond 2**53 is returned as the float64 nearest
    to it.

    Raises
    ------
    DataError
        If a product is no integer or does not fit in 53 bits.
    """
    terms = as_integers(products)
    total = np.zeros(terms.shape[:-1], np.int64)
    length = accumulator.chunk_length(terms.shape[-1])
    for start in range(0, terms.shape[-1], length):
        chunk = np.zeros_like(total)
        for i in range(start, min(start + length, terms.shape[-1])):
            chunk = _add_watched(chunk, terms[..., i], accumulator, watch)
        total = _add_watched(total, chunk, accumulator, watch)
    return total.astype(np.float64)


def _add_watched(
    total: NDArray[np.int64],
    addend: NDArray[np.int64],
    accumulator: Accumulator,
    watch: Watch | None,
) -> NDArray[np.int64]:
    result = add_integers(total, addend, accumulator)
    if watch is not None:
        watch.added_integers(total, addend, result, accumulator)
    return result


def as_integers(products: Float64Array) -> NDArray[np.int64]:
    """Return products as int64; refuse what is no integer of at most 53 bits."""
    if not np.array_equal(products, np.rint(products)) or (
        np.abs(products).max(initial=0.0) > MAX_INTEGER_MAGNITUDE
    ):
        raise DataError("An integer accumulator needs integer products of at most 53 bits.")
    return products.astype(np.int64)


@np.errstate(over="ignore")
def add_integers(
    total: NDArray[np.int64], addend: NDArray[np.int64], accumulator: Accumulator
) -> NDArray[np.int64]:
    """Add two numbers of the register, which wraps or saturates, up to 64 bits wide."""
    bits = accumulator.integer_bits
    if accumulator.integer_overflow is IntegerOverflow.WRAP:
        return wrap(total + addend, bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    # Clamped before the addition, so that 64 bits do not overflow either.
    room = np.clip(total, low - np.minimum(addend, 0), high - np.maximum(addend, 0))
    return np.asarray(np.clip(room + addend, low, high))


@np.errstate(over="ignore")
def wrap(x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Keep the lowest `bits` bits as a two's complement number."""
    half = np.int64(1) << np.int64(bits - 1)
    return ((x + half) & ((half << np.int64(1)) - np.int64(1))) - half


def accumulator_bits_needed(weight_norm: float, activation_bits: int, *, signed: bool) -> int:
    """Return the width of a signed accumulator that cannot overflow.

    The largest sum is at most `weight_norm` (the sum of |w| along k) times the
    largest activation magnitude: ``2**(N - 1)`` signed, ``2**N - 1`` unsigned.

    Parameters
    ----------
    weight_norm : float
        L1 norm of the integer weights of one output, in units of their scale.
    activation_bits : int
        Width N of the activations.
    signed : bool
        Whether activations are signed.

    Returns
    -------
    int
        The least P with ``weight_norm * max|x| <= 2**(P - 1) - 1``.

    Examples
    --------
    255 products of 8-bit weights of -128 and unsigned 8-bit activations: 255 *
    128 * 255 = 8,323,200 needs 24 bits.

    >>> accumulator_bits_needed(255 * 128, 8, signed=False)
    24
    """
    largest = 2 ** (activation_bits - 1) if signed else 2**activation_bits - 1
    reach: int = math.ceil(weight_norm) * largest
    return reach.bit_length() + 1
