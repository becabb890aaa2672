"""The recipes that ship, against their sources, and what a user can change in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.config import load_model
from accelsim.errors import ConfigError, UnknownNameError
from accelsim.formats import Overflow, Rounding
from accelsim.precision import (
    AccumulationMethod,
    Recipe,
    get_recipe,
    list_recipes,
)
from accelsim.precision import recipe as module
from accelsim.precision.catalog import BUILTIN

# (activation, weight, error; inner accumulator, chunk; vector compute; gradient; master).
# wang2018: figure 2 of the paper. fp8_formats: E4M3 weights and activations, E5M2 errors.
TABLE = {
    "wang2018": ("fp8_e5m2", "fp8_e5m2", "fp8_e5m2", "fp16_e6m9", 64, "fp16_e6m9", "fp8_e5m2",
                 "fp16_e6m9"),
    "hfp8": ("fp8_e4m3b11", "fp8_e4m3b11", "fp8_e5m2", "fp16_e6m9", 64, "fp16_e6m9", "fp8_e5m2",
             "fp16_e6m9"),
    "fp8_formats": ("fp8_e4m3fn", "fp8_e4m3fn", "fp8_e5m2", "fp32", None, "fp32", "bf16", "fp32"),
    "fp16_mixed": ("fp16_e5m10", "fp16_e5m10", "fp16_e5m10", "fp32", None, "fp32", "fp16_e5m10",
                   "fp32"),
    "bf16_mixed": ("bf16", "bf16", "bf16", "fp32", None, "fp32", "bf16", "fp32"),
    "fp32": ("fp32", "fp32", "fp32", "fp32", None, "fp32", "fp32", "fp32"),
    "fp16_fp16acc": ("fp16_e6m9", "fp16_e6m9", "fp16_e6m9", "fp16_e6m9", 64, "fp16_e6m9",
                     "fp16_e6m9", "fp16_e6m9"),
    # arXiv:2001.05674 section 3.2: FP32 sums and master weights, S2FP8 gradients.
    "s2fp8": ("s2fp8", "s2fp8", "s2fp8", "fp32", None, "fp32", "s2fp8", "fp32"),
    "fp8_plain": ("fp8_e5m2", "fp8_e5m2", "fp8_e5m2", "fp32", None, "fp32", "fp8_e5m2", "fp32"),
    "mx_fp8": ("mx_fp8_e4m3", "mx_fp8_e4m3", "mx_fp8_e5m2", "fp32", None, "fp32", "bf16", "fp32"),
    "posit8": ("posit8_es1", "posit8_es1", "posit8_es2", "fp32", None, "fp32", "bf16", "fp32"),
    "int8": ("int8", "int8", "int8", "int32", None, "fp32", "fp32", "fp32"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_formats_by_role(name: str) -> None:
    recipe = get_recipe(name)
    assert TABLE[name] == (
        recipe.operands.activation.name,
        recipe.operands.weight.name,
        recipe.operands.error.name,
        recipe.accumulator.inner.name,
        recipe.accumulator.chunk_size,
        recipe.vector.compute.name,
        recipe.update.gradient.name,
        recipe.update.master.name,
    )


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(list_recipes()) == set(BUILTIN)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_names_itself_and_its_source(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.source
    assert recipe.description.endswith(".")


def test_wang2018_as_the_paper_has_it() -> None:
    recipe = get_recipe("wang2018")
    assert (recipe.loss_scaling.method, recipe.loss_scaling.value) == ("constant", 1000)
    assert recipe.update.rounding is Rounding.STOCHASTIC
    assert recipe.accumulator.rounding is Rounding.NEAREST_EVEN
    assert recipe.store.overflow is Overflow.SATURATE
    assert recipe.softmax.compute.name == "fp32"


def test_exceptions_apply_where_they_should() -> None:
    recipe = get_recipe("wang2018")
    assert recipe.gemm_rule().operands == recipe.operands
    for rule in (recipe.gemm_rule(reads_image=True), recipe.gemm_rule(is_last=True)):
        assert rule.operands.activation.name == "fp16_e6m9"
        assert rule.accumulator == recipe.accumulator
        assert rule.output.name == "fp16_e6m9"
    assert not get_recipe("fp32").gemm_rule(reads_image=True).scaled


def test_an_exception_is_never_scaled() -> None:
    wide = get_recipe("wang2018").last_layer
    recipe = get_recipe("fp8_formats").model_copy(update={"last_layer": wide})
    assert recipe.gemm_rule().scaled
    assert not recipe.gemm_rule(is_last=True).scaled


def test_integer_sums_are_integers() -> None:
    recipe = get_recipe("int8")
    assert recipe.accumulator.method is AccumulationMethod.INTEGER
    assert recipe.gemm_rule().output.name == "int32"


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("accumulator.chunk_size", "1", "1"),
        ("accumulator.inner", "fp32", "fp32"),
        ("last_layer", "null", "None"),
        ("first_layer", "null", "None"),
        ("update.rounding", "nearest_even", "nearest_even"),
        ("loss_scaling.method", "none", "none"),
        ("operands.weight", "{exponent_bits: 4, mantissa_bits: 3}", "float_e4m3"),
    ],
)
def test_every_ablation_of_the_paper_is_one_override(key: str, text: str, shown: str) -> None:
    file = Path(module.__file__).parent / "recipes" / "wang2018.yaml"
    value = load_model(file, Recipe, overrides=[(key, text)]).model_dump()
    for part in key.split("."):
        value = value[part]
    assert str(value) == shown


def test_a_recipe_is_itself_a_name_or_a_file(tmp_path: Path) -> None:
    recipe = get_recipe("bf16_mixed")
    assert get_recipe(recipe) is recipe
    shipped = Path(module.__file__).parent / "recipes" / "bf16_mixed.yaml"
    copy = tmp_path / "mine.yaml"
    copy.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    assert get_recipe(copy) == get_recipe(str(copy)) == recipe


def test_unknown_names_have_a_hint() -> None:
    with pytest.raises(UnknownNameError, match=r"^Unknown recipe 'wang2019'\. Did you mean wang"):
        get_recipe("wang2019")


def test_a_bad_file_says_where(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    shipped = Path(module.__file__).parent / "recipes" / "fp32.yaml"
    file.write_text(shipped.read_text(encoding="utf-8") + "chunk: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"r\.yaml:10:1  chunk\n  Unknown key\."):
        get_recipe(file)
