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
from accelsim.numerics.addition import Float64Array
from accelsim.precision import Accumulator, IntegerOverflow

#: Widest product that float64 and an int64 sum hold exactly.
MAX_INTEGER_MAGNITUDE = 2.0**53


def accumulate_integer(products: Float64Array, accumulator: Accumulator) -> Float64Array:
    """Add integer products in a register of `integer_bits`, in order.

    Every addition, inside a chunk and over chunks, wraps or saturates. k = 0
    gives 0.

    Raises
    ------
    DataError
        If a product is no integer or does not fit in 53 bits.
    """
    if not np.array_equal(products, np.rint(products)) or (
        np.abs(products).max(initial=0.0) > MAX_INTEGER_MAGNITUDE
    ):
        raise DataError("An integer accumulator needs integer products of at most 53 bits.")
    terms = products.astype(np.int64)
    fit = wrap if accumulator.integer_overflow is IntegerOverflow.WRAP else _saturate
    bits = accumulator.integer_bits
    total = np.zeros(terms.shape[:-1], np.int64)
    length = accumulator.chunk_length(terms.shape[-1])
    for start in range(0, terms.shape[-1], length):
        chunk = np.zeros_like(total)
        for i in range(start, min(start + length, terms.shape[-1])):
            chunk = fit(chunk + terms[..., i], bits)
        total = fit(total + chunk, bits)
    return total.astype(np.float64)


def wrap(x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Keep the lowest `bits` bits as a two's complement number."""
    half = np.int64(1) << np.int64(bits - 1)
    return ((x + half) & ((half << np.int64(1)) - np.int64(1))) - half


def _saturate(x: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Clamp to what `bits` bits hold."""
    half = 1 << (bits - 1)
    return np.clip(x, -half, half - 1)


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
