"""Every code of every float format of 16 bits or fewer, against independent enumerations."""

import gfloat
import numpy as np
import pytest

from accelsim.errors import DataError
from accelsim.formats import get_format
from tests.oracles.formats.float_peers import GFLOAT, ML_DTYPES
from tests.oracles.formats.float_tables import TABLES


def same(a, b):
    """Equal, NaN to NaN, and +0 not to -0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b)))


def all_codes(fmt):
    return np.arange(1 << fmt.bits).astype(fmt.code_dtype)


@pytest.mark.parametrize("name", TABLES)
def test_every_code_decodes_as_the_fields_say(name):
    fmt, table = get_format(name), TABLES[name]
    codes = all_codes(fmt)
    expected = np.array([table.decode(int(code)) for code in codes])
    assert same(fmt.decode(codes), expected).all()


@pytest.mark.parametrize("name", TABLES)
def test_every_code_comes_back_and_every_nan_becomes_the_one_nan(name):
    fmt = get_format(name)
    codes = all_codes(fmt)
    values = fmt.decode(codes)
    back = fmt.encode(values)
    nan = np.isnan(values)
    assert np.array_equal(back[~nan], codes[~nan])
    assert np.all(back[nan] == (fmt.nan_code if nan.any() else 0))
    assert same(fmt.quantize(values), values).all()


@pytest.mark.parametrize("name", TABLES)
def test_scalar_definition_and_arrays_give_the_same_codes(name):
    fmt = get_format(name)
    codes = all_codes(fmt)[:: 1 if fmt.bits <= 9 else 41]
    values = fmt.decode(codes)
    scalar = [fmt.decode_scalar(int(code)) for code in codes]
    assert same(values, scalar).all()
    assert [fmt.encode_scalar(float(v)) for v in values] == list(fmt.encode(values))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_every_code_agrees_with_ml_dtypes(name):
    fmt = get_format(name)
    codes = all_codes(fmt)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        theirs = codes.view(ML_DTYPES[name]).astype(np.float64)
    assert same(fmt.decode(codes), theirs).all()


@pytest.mark.parametrize("name", GFLOAT)
def test_every_code_agrees_with_gfloat(name):
    fmt = get_format(name)
    codes = all_codes(fmt)
    theirs = gfloat.decode_ndarray(GFLOAT[name], codes)
    assert same(fmt.decode(codes), theirs).all()
    assert np.array_equal(
        fmt.encode(fmt.decode(codes)[~np.isnan(theirs)]),
        gfloat.encode_ndarray(GFLOAT[name], theirs[~np.isnan(theirs)]),
    )


@pytest.mark.parametrize("name", ["fp32", "tf32"])
def test_wide_codes_are_the_bits_of_float32(name):
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 1 << 32, 20000, dtype=np.uint32)
    fmt = get_format(name)
    shift = 32 - fmt.bits
    codes = patterns >> np.uint32(shift)
    values = (codes << np.uint32(shift)).view(np.float32)
    with np.errstate(invalid="ignore"):
        assert same(fmt.decode(codes), values).all()
    kept = ~np.isnan(values)
    assert np.array_equal(fmt.encode(values[kept]), codes[kept])


def test_encode_refuses_what_is_not_a_member_and_says_where():
    fmt = get_format("fp8_e5m2")
    with pytest.raises(
        DataError, match=r"Element \(1, 0\) is 1.1, which is not a member of fp8_e5m2"
    ):
        fmt.encode([[1.0, 2.0], [1.1, 3.0]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fp8_e4m3fn", np.inf),
        ("fp8_e4m3b11", np.nan),
        ("fp8_e4m3fnuz", -0.0),
        ("ufp8_e5m3", -1.0),
        ("ufp8_e5m3", -0.0),
        ("e8m0", 0.0),
        ("e8m0", 3.0),
        ("fp8_e5m2", 65536.0),
        ("fp8_e5m2", 2.0**-17),
        ("dlfloat16", 2.0**-31),
        ("int8", 128.0),
        ("int8", 0.5),
        ("int8", -0.0),
        ("int8", np.nan),
    ],
)
def test_encode_and_its_definition_refuse_the_same_values(name, value):
    fmt = get_format(name)
    with pytest.raises(DataError):
        fmt.encode(np.array([value]))
    with pytest.raises(DataError):
        fmt.encode_scalar(value)


def test_decode_refuses_floats_and_codes_that_are_too_wide():
    fmt = get_format("fp4_e2m1")
    with pytest.raises(DataError, match="must be 0 to 15"):
        fmt.decode(np.array([16], np.uint8))
    with pytest.raises(DataError, match="are integers"):
        fmt.decode(np.array([1.0]))
    with pytest.raises(DataError, match="is no code"):
        fmt.decode_scalar(16)
