"""The conformance kit: every format that ships passes it, and broken ones do not."""

from dataclasses import dataclass

import numpy as np
import pytest

from accelsim.formats import (
    FloatFormat,
    get_format,
    get_tensor_format,
    list_formats,
    list_tensor_formats,
)
from accelsim.formats.dynamic_map import DynamicMapFormat
from accelsim.testing.check_format import check_format


@pytest.mark.parametrize("name", list_formats())
def test_every_format_of_the_catalog_conforms(name):
    check_format(get_format(name))


@pytest.mark.parametrize("name", list_tensor_formats())
def test_every_tensor_format_conforms(name):
    check_format(get_tensor_format(name))


@pytest.mark.parametrize(
    "name",
    [
        "float_e5m6",
        "float_e3m2_fn_flushed",
        "float_e4m3_onezero",
        "float_e8m0",
        "float_e10m9",
        "float_e1m1",
        "float_e2m0",
        "int3",
        "int12",
        "uint1",
        "posit3_es0",
        "posit6_es1",
        "posit12_es4",
    ],
)
def test_inline_formats_conform(name):
    check_format(get_format(name))


@dataclass(frozen=True, slots=True)
class DoubleRounded(FloatFormat):
    """Rounds float64 through float32: the bug that the kit must find."""

    def quantize(self, x, **rules):
        with np.errstate(over="ignore"):
            narrow = np.asarray(x).astype(np.float32)
        return FloatFormat.quantize(self, narrow, **rules).astype(np.asarray(x).dtype)


@dataclass(frozen=True, slots=True)
class NanBecomesMax(FloatFormat):
    """Turns NaN into a number."""

    def quantize(self, x, **rules):
        return np.nan_to_num(FloatFormat.quantize(self, x, **rules), nan=self.max_finite)


@dataclass(frozen=True, slots=True)
class WrongConstant(FloatFormat):
    """Claims a larger range than its codes have."""

    @property
    def min_positive(self):
        return 1.0


@pytest.mark.parametrize("broken", [DoubleRounded, NanBecomesMax, WrongConstant])
def test_broken_formats_are_found(broken):
    with pytest.raises(AssertionError, match="broken: "):
        check_format(broken("broken", 4, 3, 7))


@dataclass(frozen=True, slots=True)
class LosesSigns(DynamicMapFormat):
    """Forgets the sign of everything."""

    def decode(self, encoded):
        return np.abs(DynamicMapFormat.decode(self, encoded))


def test_a_broken_tensor_format_is_found():
    with pytest.raises(AssertionError, match="sign"):
        check_format(LosesSigns("broken", get_format("dynamic8")))
