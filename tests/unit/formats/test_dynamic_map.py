"""The dynamic 8-bit map and its blocks."""

import numpy as np
import pytest

from accelsim.errors import ConfigError, DataError
from accelsim.formats import DynamicMapFormat, TableFormat, get_format, get_tensor_format
from accelsim.formats.dynamic_map import dynamic_map


def test_the_map_is_that_of_the_paper():
    # Midpoints of linspace(0.1, 1, 2**i + 1) times 10**(i - 6) with both signs, 0 and 1.
    values = [0.0, 1.0]
    for i in range(7):
        edges = np.linspace(0.1, 1.0, 2**i + 1)
        middles = (edges[1:] + edges[:-1]) / 2 * 10.0 ** (i - 6)
        values += [*middles, *-middles]
    assert len(dynamic_map()) == 256
    assert np.allclose(dynamic_map(), sorted(values), rtol=1e-7, atol=0)


def test_without_signs_every_decade_has_twice_as_many_values():
    values = [0.0, 1.0]
    for i in range(7):
        edges = np.linspace(0.1, 1.0, 2 ** (i + 1) + 1)
        values += [*((edges[1:] + edges[:-1]) / 2 * 10.0 ** (i - 6))]
    assert len(dynamic_map(signed=False)) == 256
    assert np.allclose(dynamic_map(signed=False), sorted(values), rtol=1e-7, atol=0)


def test_without_signs_a_negative_number_becomes_zero():
    fmt = get_tensor_format("dynamic8_unsigned_block")
    assert fmt.quantize([-3.0, 2.0]).tolist() == [0.0, 3.0 * fmt.quantize([3.0, 2.0])[1] / 3.0]


def test_map_values_by_hand():
    positive = [v for v in dynamic_map() if v > 0]
    # One midpoint in the lowest decade: 0.55e-6. Two in the next: 0.325e-5 and 0.775e-5.
    assert positive[:3] == [float(np.float32(v)) for v in (0.55e-6, 0.325e-5, 0.775e-5)]
    # 64 in the highest: the last is 1 - 0.9 / 128.
    assert positive[-2:] == [float(np.float32(1 - 0.9 / 128)), 1.0]
    assert min(dynamic_map()) == -positive[-2]


def test_elements_go_to_the_nearest_value_as_brute_force_says():
    fmt = get_format("dynamic8")
    x = np.random.default_rng(0).uniform(-1.1, 1.1, 4000) ** 5
    table = np.array(dynamic_map())
    nearest = table[np.abs(x[:, None] - table[None, :]).argmin(axis=1)]
    assert np.array_equal(fmt.quantize(x), nearest)


def test_each_block_has_the_scale_of_its_largest_magnitude():
    x = np.arange(1.0, 11.0).reshape(2, 5)
    fmt = DynamicMapFormat("t", get_format("dynamic8"), block_size=4)
    encoded = fmt.encode(x)
    assert encoded.scales.tolist() == [4.0, 8.0, 10.0]
    assert encoded.codes.shape == x.shape
    # The largest of a block is 1.0 of its scale, which the map has.
    assert fmt.decode(encoded).reshape(-1)[[3, 7, 9]].tolist() == [4.0, 8.0, 10.0]


def test_zero_blocks_stay_zero_and_nan_and_infinity_are_refused():
    fmt = get_tensor_format("dynamic8_block")
    assert not fmt.quantize(np.zeros(5000)).any()
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="not a member"):
            fmt.quantize([1.0, bad])


def test_default_block_is_that_of_the_paper():
    assert get_tensor_format("dynamic8_block").bits_per_element == 8 + 32 / 2048


def test_absurd_tables_are_refused():
    for values in ((1.0,), (1.0, 0.5), (-1.0, 0.0), (0.0, np.inf), (0.0, 0.1)):
        with pytest.raises(ConfigError, match="bad"):
            TableFormat("bad", values)
    with pytest.raises(ConfigError, match="block_size"):
        DynamicMapFormat("bad", get_format("dynamic8"), block_size=0)
