"""What is computed, rather than stored, is never in a tensor format; it is refused early."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from accelsim.arch import load_chip
from accelsim.errors import ConfigError, UnknownNameError
from accelsim.formats import get_tensor_format, list_tensor_formats
from accelsim.numerics import accumulate_chunked
from accelsim.precision import Accumulator, TensorStorage, arithmetic_format, get_recipe

REFUSED = r"finds its scales in a whole tensor"


@pytest.mark.parametrize("name", list_tensor_formats())
def test_no_accumulator_is_in_a_tensor_format(name):
    for fields in ({"format": name}, {"inner": "fp32", "outer": name}):
        with pytest.raises(ValidationError, match=REFUSED):
            Accumulator.model_validate(fields)
    with pytest.raises(ValidationError, match=REFUSED):
        Accumulator(format="fp32", product=name)
    with pytest.raises(ConfigError, match=REFUSED):
        arithmetic_format(TensorStorage(name, get_tensor_format(name)))


@pytest.mark.parametrize(
    "key",
    [
        "accumulator.inner",
        "accumulator.format",
        "accumulator.product",
        "vector.compute",
        "vector.statistics",
        "softmax.compute",
        "update.compute",
    ],
)
def test_a_recipe_that_computes_in_one_is_refused_with_the_key(key):
    with pytest.raises(ConfigError, match=REFUSED) as caught:
        get_recipe("wang2018", [(key, "mx_fp8_e4m3")])
    assert key.rsplit(".", 1)[0] in str(caught.value)


def test_a_recipe_may_store_and_multiply_them():
    recipe = get_recipe("wang2018", [("operands.weight", "mx_fp8_e4m3"), ("update.state", "s2fp8")])
    assert recipe.update.state.bits == 8


@pytest.mark.parametrize("key", ["accumulator.supports[0].inner", "vector_unit.formats[0]"])
def test_a_chip_that_adds_in_one_is_refused_with_the_key(key):
    with pytest.raises(ConfigError, match=REFUSED):
        load_chip("fp8_chunk64", [(key, "mx_fp4")])


def test_the_function_refuses_what_the_class_refuses():
    with pytest.raises(ConfigError, match=REFUSED):
        accumulate_chunked(np.ones(3), chunk_size=1, inner="s2fp8", outer="fp32")
    with pytest.raises(UnknownNameError, match=r"Did you mean fp16_e6m9"):
        accumulate_chunked(np.ones(3), chunk_size=1, inner="fp16_e6m8", outer="fp32")
    with pytest.raises(ConfigError, match=r"'e8m0' has no zero: no sum can start in it"):
        accumulate_chunked(np.ones(3), chunk_size=1, inner="e8m0", outer="fp32")
