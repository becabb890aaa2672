"""The product worked by hand in `tests/worked_example.py`, from three paths."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.formats import get_format
from accelsim.numerics import accumulate, matmul
from accelsim.numerics.scalar import dot_scalar
from accelsim.precision import Accumulator, PairRule
from tests import worked_example as we

CHUNKED = Accumulator(format=we.ACCUMULATOR_FORMAT, chunk_size=we.CHUNK)
ONE_CHUNK = Accumulator(format=we.ACCUMULATOR_FORMAT)
FUSED = Accumulator(format=we.ACCUMULATOR_FORMAT, pair=PairRule.FUSED, pair_size=2)


def _scalar(a, b, accumulator):
    return np.array([[dot_scalar(row, col, accumulator) for col in b.T] for row in a])


def _definition(a, b, accumulator):
    return accumulate(a[:, None, :] * b.T, accumulator)


def _twin(a, b, accumulator):
    return matmul(a, b, accumulator, path="definition")


PATHS = [_scalar, _definition, _twin, matmul]


def test_operands_belong_to_their_format():
    for operand in (we.A, we.B):
        np.testing.assert_array_equal(get_format(we.OPERAND_FORMAT).quantize(operand), operand)


def test_products_are_exact():
    np.testing.assert_array_equal(we.A[:, None, :] * we.B.T, we.PRODUCTS)


@pytest.mark.parametrize("path", PATHS)
def test_result_is_the_one_worked_by_hand(path):
    result = path(we.A, we.B, CHUNKED)
    np.testing.assert_array_equal(result, we.RESULT)
    codes = get_format(we.ACCUMULATOR_FORMAT).encode(result)
    np.testing.assert_array_equal(codes, we.RESULT_CODES)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("k", range(1, 6))
def test_every_running_sum_is_the_one_worked_by_hand(path, k):
    start = (k - 1) // we.CHUNK * we.CHUNK
    inner = path(we.A[:, start:k], we.B[start:k], ONE_CHUNK)
    np.testing.assert_array_equal(inner, we.INNER_SUMS[:, :, k - 1])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_every_total_is_the_one_worked_by_hand(path, chunks):
    k = min(5, chunks * we.CHUNK)
    np.testing.assert_array_equal(
        path(we.A[:, :k], we.B[:k], CHUNKED), we.OUTER_SUMS[:, :, chunks - 1]
    )


@pytest.mark.parametrize("path", PATHS)
def test_variants_are_those_worked_by_hand(path):
    np.testing.assert_array_equal(path(we.A[:, :4], we.B[:4], CHUNKED), we.RESULT_K4)
    np.testing.assert_array_equal(path(we.A, we.B, ONE_CHUNK), we.RESULT_ONE_CHUNK)
    np.testing.assert_array_equal(path(we.A, we.B, FUSED), we.RESULT_FUSED_PAIRS)


@pytest.mark.parametrize("path", PATHS)
def test_four_cores_that_share_rows_and_columns_change_nothing(path):
    parts = [[path(we.A[i : i + 1], we.B[:, j : j + 1], CHUNKED) for j in (0, 1)] for i in (0, 1)]
    np.testing.assert_array_equal(np.block(parts), we.RESULT)
