"""One table: every path of the matrix product by every family of operands, on fractions.

The left side of the table is a case that takes the path when its operands are tame. A
hostile family may break a condition of that path; then another one must take over, and
the bits must still be those of exact rational arithmetic, rounded after every addition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from accelsim.errors import DataError
from accelsim.formats import Rounding, get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import PathName, multiply_matrices
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import AccumulationMethod, Accumulator, IntegerOverflow, PairRule
from tests.oracles.dot_products import FAMILIES, adversarial

KEY = StreamKey(seed=7, step=3, op=11)
M, N, K, CHUNK = 2, 3, 23, 5


@dataclass(frozen=True)
class Case:
    """Operands' format, fields of the accumulator, which path is asked for.

    `family` are the operands that keep every faster path away, at any length.
    """

    operand: str
    fields: dict[str, Any] = field(default_factory=dict)
    asked: str | None = None
    family: str = "swamping"

    def accumulator(self, chunk: int | None) -> Accumulator:
        """Return the accumulator with a chunk size."""
        return Accumulator.model_validate(
            {"format": "fp16_e6m9", "chunk_size": chunk} | self.fields
        )


def integer(**fields: Any) -> Case:
    return Case("int8", {"method": AccumulationMethod.INTEGER, **fields})


CASES: dict[PathName, Case] = {
    PathName.FAST: Case("fp8_e4m3fn"),
    PathName.BOUNDED: Case("fp8_e5m2", {"saturate": True}, family="one_giant"),
    PathName.GRID: Case("fp8_e5m2", {"format": "fp16_e5m10"}, family="tiny"),
    PathName.AWAY: Case("fp8_e5m2", {"format": "dlfloat16", "rounding": Rounding.NEAREST_AWAY}),
    PathName.ORDERED: Case("fp8_e5m2", {"format": "fp32"}),
    PathName.STOCHASTIC: Case("fp8_e4m3fn", {"rounding": Rounding.STOCHASTIC}),
    PathName.MIXED: Case("fp8_e5m2", {"format": "fp32", "outer": "fp16_e6m9"}),
    PathName.BLAS: integer(),
    PathName.CLAMPED: integer(integer_bits=3, integer_overflow=IntegerOverflow.SATURATE),
    PathName.GROUPED: Case("fp8_e4m3fn", {"pair": PairRule.FUSED, "pair_size": 2}),
    PathName.ALIGNED: Case("fp8_e4m3fn", {"method": AccumulationMethod.ALIGNED}),
    PathName.TREE: Case("fp8_e4m3fn", {"method": AccumulationMethod.TREE}),
    # Products of eight significant bits, sums of six.
    PathName.WIDE: Case("fp8_e4m3fn", {"format": "float_e6m5"}),
    PathName.GENERAL: Case("fp8_e5m2", {"rounding": Rounding.UP}),
    PathName.TILED: Case("fp8_e4m3fn", asked="tiled"),
    PathName.DEFINITION: Case("posit8_es1", {"format": "posit16_es1"}),
}
RANDOM = {"rounding": Rounding.STOCHASTIC}
RANDOM_INSIDE = {**RANDOM, "outer_rounding": Rounding.NEAREST_EVEN, "random_bits": 25}
RANDOM_OUTSIDE = {"outer_rounding": Rounding.STOCHASTIC}
#: Paths whose sums may besides be rounded at random: on both levels, or on one alone.
RANDOM_CASES: dict[str, tuple[PathName, Case]] = {
    f"{path}, {where}": (path, Case(CASES[path].operand, CASES[path].fields | fields))
    for path, where, fields in (
        (PathName.TREE, "random", RANDOM),
        (PathName.TREE, "random inside", RANDOM_INSIDE),
        (PathName.ALIGNED, "random", RANDOM),
        (PathName.ALIGNED, "random inside", RANDOM_INSIDE),
        (PathName.ALIGNED, "random outside", RANDOM_OUTSIDE),
        (PathName.GROUPED, "random", RANDOM),
    )
}
#: The rows of the table.
ROWS = {str(path): (path, case) for path, case in CASES.items()} | RANDOM_CASES
SPECIAL = "nan_and_infinity"
#: Families of operands, all of length K in chunks of CHUNK, the last one short.
OPERAND_FAMILIES = (*FAMILIES, SPECIAL)
#: Lengths and chunks: empty, one product, chunk longer than k, chunks of one, full and ragged.
SHAPES = {
    "empty_k": (0, CHUNK),
    "one_product": (1, CHUNK),
    "chunk_beyond_k": (K, 2 * K),
    "chunk_of_one": (K, 1),
    "whole_chunks": (4 * CHUNK, CHUNK),
    "ragged_last_chunk": (4 * CHUNK + 1, CHUNK),
    "one_chunk": (K, None),
}


def operands(case: Case, family: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (M, k) and (k, N) operands; infinities and NaNs replace a few where asked."""
    fmt = get_format(case.operand)
    codes = np.asarray(fmt.decode(np.arange(256, dtype=np.uint8)), np.float64)
    drawn = "all_codes" if family == SPECIAL else family
    a = adversarial(drawn, codes, (M, k), seed=1)
    b = adversarial(drawn, codes, (N, k), seed=2)
    if family == SPECIAL:
        a[0, 3], a[1, 4] = np.inf, np.nan
        b[1, 3], b[2, 5], b[0, 7] = -np.inf, np.inf, 0.0
    elif family != "swamping":
        a[:, ::3] *= -1.0  # swamping sums are all positive
    return a, b.T


def assert_rational(case: Case, a: np.ndarray, b: np.ndarray, chunk: int | None) -> PathName:
    """Compare values and signs with fractions; return the path that ran."""
    accumulator = case.accumulator(chunk)
    product = multiply_matrices(a, b, accumulator, key=KEY, path=case.asked)
    expected = np.array(
        [
            [
                dot_scalar(row, col, accumulator, key=KEY, row=i, column=j)
                for j, col in enumerate(b.T)
            ]
            for i, row in enumerate(a)
        ]
    ).reshape(M, N)
    np.testing.assert_array_equal(product.values, expected)
    ordinary = ~np.isnan(expected)
    np.testing.assert_array_equal(
        np.signbit(product.values)[ordinary], np.signbit(expected)[ordinary]
    )
    return product.path.name


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("family", OPERAND_FAMILIES)
def test_every_path_on_every_family(row, family):
    _, case = ROWS[row]
    if family == SPECIAL and case.operand == "int8":
        with pytest.raises(DataError, match=r"needs integer products"):
            multiply_matrices(*operands(case, family, K), case.accumulator(CHUNK))
        return
    if family == SPECIAL and case.asked:
        case = Case(case.operand, case.fields)  # the twin refuses what is not finite
    assert_rational(case, *operands(case, family, K), CHUNK)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_path_at_every_length_and_chunk(row, shape):
    (path, case), (k, chunk) = ROWS[row], SHAPES[shape]
    ran = assert_rational(case, *operands(case, case.family if k else "swamping", k), chunk)
    assert ran is (path if k else PathName.DEFINITION)


def test_every_path_that_has_a_name_is_in_the_table():
    assert set(CASES) == set(PathName)
