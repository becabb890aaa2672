"""OCP MX blocks against an exact model, gfloat, and values by hand."""

import gfloat
import gfloat.formats as gf
import numpy as np
import pytest

from accelsim.errors import ConfigError, ShapeError
from accelsim.formats import BlockFormat, ScaleRule, get_format, get_tensor_format
from tests.oracles.formats.block_model import mx_block
from tests.oracles.formats.float_tables import TABLES

ELEMENTS = {
    "mx_fp8_e5m2": "fp8_e5m2",
    "mx_fp8_e4m3": "fp8_e4m3fn",
    "mx_fp6_e3m2": "fp6_e3m2",
    "mx_fp6_e2m3": "fp6_e2m3",
    "mx_fp4": "fp4_e2m1",
}
GFLOAT = {
    "mx_fp8_e5m2": gf.format_info_mxfp8_e5m2,
    "mx_fp8_e4m3": gf.format_info_mxfp8_e4m3,
    "mx_fp6_e3m2": gf.format_info_mxfp6_e3m2,
    "mx_fp6_e2m3": gf.format_info_mxfp6_e2m3,
    "mx_fp4": gf.format_info_mxfp4_e2m1,
    "mx_int8": gf.format_info_mxint8,
}


@pytest.fixture
def blocks():
    """Blocks of all scales, with zeros, one giant, equal elements and tiny ones; shape (b, 32)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 32)) * np.exp2(rng.integers(-140, 120, (40, 1)))
    x[1] = 0.0
    x[2, 3] *= 1e6
    x[3] = 1.75
    x[4, ::2] = 0.0
    return x


@pytest.mark.parametrize("name", ELEMENTS)
def test_blocks_equal_the_exact_model(name, blocks):
    table = TABLES[ELEMENTS[name]]
    expected = np.array([mx_block(block.tolist(), table) for block in blocks])
    assert np.array_equal(get_tensor_format(name).quantize(blocks), expected)


@pytest.mark.parametrize("name", GFLOAT)
def test_stored_blocks_mean_the_same_to_gfloat(name, blocks):
    fmt = get_tensor_format(name)
    encoded = fmt.encode(blocks)
    ours = fmt.decode(encoded)
    for i in range(len(blocks)):
        theirs = gfloat.decode_block(
            GFLOAT[name], [int(encoded.scales[i, 0]), *map(int, encoded.codes[i])]
        )
        assert np.array_equal(ours[i], np.array(list(theirs)))


def test_fp4_by_hand():
    # amax 7: exponent 2, emax of e2m1 is 2: scale 1. 7 saturates to 6, 2.5 ties to 2, 0.25 to 0.
    got = get_tensor_format("mx_fp4").quantize([7.0, 2.5, 0.25, 0.3, -5.0])
    assert got.tolist() == [6.0, 2.0, 0.0, 0.5, -4.0]


@pytest.mark.parametrize(
    ("rule", "amax", "exponent"),
    # e2m1: emax 2, max 6. By hand: log2(7) = 2.8, log2(7 / 6) = 0.2, log2(6 / 6) = 0.
    [
        (ScaleRule.FLOOR, 7.0, 0),
        (ScaleRule.CEIL, 7.0, 1),
        (ScaleRule.FIT, 7.0, 1),
        (ScaleRule.ROUND, 7.0, 1),
        (ScaleRule.FLOOR, 6.0, 0),
        (ScaleRule.CEIL, 6.0, 1),
        (ScaleRule.FIT, 6.0, 0),
        (ScaleRule.ROUND, 6.9, 0),
        (ScaleRule.CEIL, 4.0, 0),
        (ScaleRule.FIT, 6.0001, 1),
    ],
)
def test_scale_rules(rule, amax, exponent):
    fmt = BlockFormat("t", get_format("fp4_e2m1"), get_format("e8m0"), scale_rule=rule)
    scale = get_format("e8m0").decode(fmt.encode([amax, 0.1]).scales)
    assert scale.tolist() == [2.0**exponent]


def test_a_block_with_nan_or_infinity_is_all_nan_and_no_other():
    x = np.ones(96)
    x[3], x[70] = np.nan, np.inf
    got = get_tensor_format("mx_fp8_e4m3").quantize(x)
    assert np.isnan(got[:32]).all()
    assert np.array_equal(got[32:64], np.ones(32))
    assert np.isnan(got[64:]).all()


def test_ragged_blocks_and_other_axes():
    x = np.random.default_rng(1).standard_normal((70, 3))
    fmt = BlockFormat("t", get_format("fp8_e4m3fn"), get_format("e8m0"), axis=0)
    encoded = fmt.encode(x)
    assert encoded.scales.shape == (3, 3)
    last = BlockFormat("t", get_format("fp8_e4m3fn"), get_format("e8m0"))
    assert np.array_equal(fmt.quantize(x), last.quantize(x.T).T)
    # The short block is a block of its own.
    assert np.array_equal(fmt.quantize(x)[64:], fmt.quantize(x[64:]))


def test_power_of_two_scaling_passes_through(blocks):
    fmt = get_tensor_format("mx_fp6_e2m3")
    middle = blocks[5:] / np.exp2(np.round(np.log2(np.abs(blocks[5:]).max(axis=1, keepdims=True))))
    assert np.array_equal(fmt.quantize(middle * 8), 8 * fmt.quantize(middle))


def test_zero_blocks_have_the_smallest_scale():
    encoded = get_tensor_format("mx_fp4").encode(np.zeros(32))
    assert encoded.scales.tolist() == [0]


def test_stored_bits():
    assert get_tensor_format("mx_fp4").bits_per_element == 4 + 8 / 32


def test_misuse_is_refused():
    with pytest.raises(ShapeError, match="axis to cut"):
        get_tensor_format("mx_fp4").encode(1.0)
    with pytest.raises(ConfigError, match="block_size"):
        BlockFormat("t", get_format("fp4_e2m1"), get_format("e8m0"), block_size=0)
    with pytest.raises(ConfigError, match="mantissa"):
        BlockFormat("t", get_format("fp4_e2m1"), get_format("fp8_e5m2"))
