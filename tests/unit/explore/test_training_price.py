"""The chip that trains with a recipe, and the memory of a training step by hand."""

from __future__ import annotations

import pytest

from accelsim.arch import load_chip
from accelsim.explore.training import peak_bytes, training_chip, training_prices
from accelsim.formats import get_format
from accelsim.precision import get_recipe, list_recipes
from accelsim.training import Task, TrainingSettings, load_data
from accelsim.training.task import compile_task
from accelsim.workload import Trace, Workload
from accelsim.workload.ops import Phase, Role, TensorInfo, VectorOp
from accelsim.workload.parameters import Preparation, TraceParameter

FP32 = get_format("fp32")
#: Elements of four bytes each.
SIZES = {"x": 4, "w": 1, "y": 8, "z": 2, "v": 3}


def trace(*, fused: bool) -> Trace:
    """x -> y -> z -> v, where w is a parameter that the first op reads."""

    def op(name: str, inputs: tuple[str, ...], output: str, is_fused: bool = False) -> VectorOp:
        return VectorOp(name, "layer", Phase.FORWARD, "relu", inputs, (output,), 1, FP32,
                        fused=is_fused)  # fmt: skip

    return Trace(
        workload="hand", recipe="fp32", phase="training", batch=1,
        ops=(op("a", ("x", "w"), "y"), op("b", ("y",), "z", fused), op("c", ("z",), "v")),
        tensors={n: TensorInfo(n, (s,), Role.ACTIVATION, FP32) for n, s in SIZES.items()},
        inputs=("x",),
        parameters=(TraceParameter("w", Preparation.ZEROS, ()),),
        outputs=("v",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fused", "elements"),
    [
        # At b: the input, the parameter, y and z; y has gone at c, where v comes.
        (False, 4 + 1 + 8 + 2),
        # y never reaches a memory; the most is at c: the input, the parameter, z and v.
        (True, 4 + 1 + 2 + 3),
    ],
)
def test_the_peak_is_the_largest_sum_of_what_is_alive(fused: bool, elements: int) -> None:
    assert peak_bytes(trace(fused=fused)) == 4 * elements


NETWORK = Workload.model_validate(
    {
        "name": "two_layers",
        "input": {"shape": (8, 8, 1)},
        "layers": (
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc1", "kind": "linear", "in_features": 64, "out_features": 16},
            {"name": "relu1", "kind": "relu"},
            {"name": "fc2", "kind": "linear", "in_features": 16, "out_features": 10},
        ),
    }
)
SETTINGS = TrainingSettings(epochs=1, batch=16, train_samples=32, test_samples=20)
FP32_ADDERS = (("accumulator.inner", "fp32"), ("accumulator.outer", "fp32"))


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_has_a_chip_that_orders_its_additions(recipe: str) -> None:
    chip = training_chip(NETWORK, get_recipe(recipe), SETTINGS)
    assert chip is not None
    task = Task(NETWORK, get_recipe(recipe), chip, load_data("synthetic"), SETTINGS)
    programs = compile_task(task)
    for program in (programs.step, programs.test):
        assert set(program.orders) == {op.name for op in program.trace.gemms}


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [("posit8", ()), ("s2fp8", ()), ("mx_fp8", ()), ("wang2018", FP32_ADDERS)],
)
def test_a_recipe_that_no_shipped_chip_serves_has_the_fp8_chip_with_other_arithmetic(
    recipe: str, changes: tuple[tuple[str, str], ...]
) -> None:
    asked, shipped = get_recipe(recipe, changes), load_chip("fp8_chunk64")
    chip = training_chip(NETWORK, asked, SETTINGS)
    assert chip is not None
    assert chip.name == f"fp8_chunk64 for {recipe}"
    arithmetic = {"name", "mac_array", "accumulator", "vector_unit", "default_recipe"}
    assert chip.model_dump(exclude=arithmetic) == shipped.model_dump(exclude=arithmetic)
    assert (chip.mac_array.rows, chip.mac_array.cols) == (32, 32)
    own, *others = training_prices(Task(NETWORK, asked, chip, load_data("synthetic"), SETTINGS))
    assert own.arch == chip.name
    assert [price.arch for price in others] == ["fp16", "fp32"]
    # Less than the chip whose every number has 32 bits, with as many elements; S2FP8
    # multiplies in FP32, too, and converts besides.
    assert (own.step_energy_pj < others[1].step_energy_pj) is (recipe != "s2fp8")


def test_a_chunk_that_ends_where_no_adder_is_has_no_chip() -> None:
    # 24 neither divides the 64 products of a tile, nor is it a multiple of them.
    recipe = get_recipe("wang2018", (("accumulator.chunk_size", "24"),))
    assert training_chip(NETWORK, recipe, SETTINGS) is None
