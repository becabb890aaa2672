"""Few-bit groups between their own extremes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats import get_format, get_tensor_format
from accelsim.formats.group_range import GroupRangeFormat
from accelsim.testing import check_format

NAMES = ("range2_group", "range4_group", "range8_group")


@pytest.mark.parametrize("name", NAMES)
def test_what_every_tensor_format_keeps(name: str) -> None:
    check_format(get_tensor_format(name))


def test_bits_are_those_of_the_steps_and_of_two_bfloat16_for_256() -> None:
    assert [get_tensor_format(name).bits_per_element for name in NAMES] == [2.125, 4.125, 8.125]


def test_every_group_has_its_own_steps() -> None:
    fmt = GroupRangeFormat("t", get_format("uint2"), get_format("bf16"), group_size=3)
    x = np.array([[-1.0, 0.4, 2.0, 0.0], [30.0, 11.0, 4.0, 4.0]])
    # Flattened: (-1, 0.4, 2), step 1; (0, 30, 11), step 10; (4, 4), no step at all.
    expected = np.array([[-1.0, 0.0, 2.0, 0.0], [30.0, 10.0, 4.0, 4.0]])
    assert np.array_equal(fmt.quantize(x), expected)


def test_ends_go_outward_so_that_every_element_is_between_them() -> None:
    # bfloat16 has 8 significant bits: neighbours of 1 + 2**-9 are 1 and 1 + 2**-7.
    fmt = get_tensor_format("range2_group")
    encoded = fmt.encode([1 + 2.0**-9, -1 - 2.0**-9])
    assert encoded.lowest.tolist() == [-1 - 2.0**-7]
    assert encoded.highest.tolist() == [1 + 2.0**-7]


@pytest.mark.parametrize(
    "place", [Fraction(5, 16), Fraction(7, 4), Fraction(1, 2**16), Fraction(2)]
)
def test_the_mean_over_all_random_numbers_is_the_element(place: Fraction) -> None:
    # One group: 0 and 3 fix the ends, so that a step is 1; then every random number once.
    chances = np.arange(2**16)
    fmt = GroupRangeFormat(
        "t", get_format("uint2"), get_format("bf16"), group_size=chances.size + 2
    )
    x = np.concatenate([[0.0, 3.0], np.full(chances.size, float(place))])
    result = fmt.quantize(x, random_bits=np.concatenate([[0, 0], chances]))
    assert result[:2].tolist() == [0.0, 3.0]
    assert Fraction(int(result[2:].sum()), chances.size) == place


def test_a_number_that_is_none_takes_its_group_with_it() -> None:
    fmt = GroupRangeFormat("t", get_format("uint2"), get_format("bf16"), group_size=2)
    for bad in (np.nan, np.inf, -np.inf):
        result = fmt.quantize(np.array([1.0, bad, 1.0, 4.0]))
        assert np.isnan(result[:2]).all()
        assert result[2:].tolist() == [1.0, 4.0]


def test_steps_that_cannot_count_are_refused() -> None:
    with pytest.raises(ConfigError, match="unsigned"):
        GroupRangeFormat("t", get_format("int4"), get_format("bf16"))
    with pytest.raises(ConfigError, match="group_size"):
        GroupRangeFormat("t", get_format("uint4"), get_format("bf16"), group_size=0)
