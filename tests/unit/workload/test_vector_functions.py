"""The table of vector functions: documented, complete, and counted by hand."""

from __future__ import annotations

import pytest

from accelsim.formats import get_format
from accelsim.workload import (
    VECTOR_FUNCTIONS,
    Phase,
    VectorOp,
    activation_functions,
    recurrent_functions,
    shape_functions,
    training_functions,
    transformer_functions,
    vector_functions,
)
from accelsim.workload.vector_shapes import shape_problem

MAP = (2, 6, 6, 3)
POOL = {
    "kernel": (3, 3),
    "stride": (2, 2),
    "dilation": (1, 1),
    "padding": (0, 0),
    "padding_end": (0, 0),
}


def test_every_function_is_documented() -> None:
    modules = (
        vector_functions,
        activation_functions,
        recurrent_functions,
        shape_functions,
        training_functions,
        transformer_functions,
    )
    text = "".join(module.__doc__ or "" for module in modules)
    for name in VECTOR_FUNCTIONS:
        assert f"``{name}``" in text


@pytest.mark.parametrize(
    ("name", "x", "y", "attributes", "visits"),
    [
        ("relu", MAP, MAP, {}, 216),
        ("bias_add", MAP, MAP, {}, 216),
        ("clip", MAP, MAP, {"min": 0.0, "max": "none"}, 216),
        ("tanh", MAP, MAP, {}, 432),  # exponential; quotient
        # 2 x 2 windows of 9 for each of 2 images and 3 channels.
        ("max_pool", MAP, (2, 2, 2, 3), POOL, 4 * 9 * 6),
        ("avg_pool", MAP, (2, 2, 2, 3), POOL, 4 * 9 * 6),
        ("global_avg_pool", MAP, (2, 1, 1, 3), {}, 216),
        # Square; five sums; power; quotient.
        ("local_response_norm", MAP, MAP, {"size": 5}, 8 * 216),
        # Largest; exponential and sum; division.
        ("softmax", (2, 10), (2, 10), {}, 60),
        # Mean; variance; what is made of them.
        ("layer_norm", (2, 5, 8), (2, 5, 8), {"eps": 1e-5}, 240),
        # Scores of 3 heads, 4 queries, 5 keys: the mask is a pass of its own.
        ("scaled_softmax", (2, 3, 4, 5), (2, 3, 4, 5), {"causal": True, "scale": 0.5}, 360),
        ("masked_softmax", (2, 3, 4, 5), (2, 3, 4, 5), {"causal": True, "scale": 0.5}, 480),
        # One new row of 8 behind 7 that stay where they are.
        ("append_rows", (2, 7, 8), (2, 8, 8), {}, 16),
        ("store", MAP, MAP, {"scaling": "none"}, 216),
        # Largest magnitude; scaling and conversion.
        ("store", MAP, MAP, {"scaling": "amax"}, 432),
    ],
)
def test_visits_by_hand(
    name: str, x: tuple[int, ...], y: tuple[int, ...], attributes: dict, visits: int
) -> None:
    assert VECTOR_FUNCTIONS[name].visits(x, y, attributes) == visits


@pytest.mark.parametrize(
    ("function", "inputs", "output", "attributes", "fits"),
    [
        ("add", [MAP, MAP], MAP, {}, True),
        ("add", [MAP, (2, 6, 6, 1)], MAP, {}, True),
        ("add", [MAP, (2, 6, 6, 2)], MAP, {}, False),
        ("add", [(2, 1, 6, 3), (2, 6, 3)], (2, 6, 6, 3), {}, False),  # nothing to repeat to 6
        ("multiply", [(2, 6, 1, 3), (2, 6, 1)], (2, 6, 6, 3), {}, True),
        ("transpose", [(2, 4, 5)], (2, 5, 4), {"axes": (0, 2, 1)}, True),
        ("transpose", [(2, 4, 5)], (2, 5, 4), {"axes": (0, 1, 1)}, False),
        ("transpose", [(2, 4, 5)], (2, 5, 4), {"axes": "021"}, False),
        ("concat", [(2, 4), (2, 5), (2, 1)], (2, 10), {"axis": 1}, True),
        ("concat", [(2, 4), (3, 5)], (2, 9), {"axis": 1}, False),
        ("concat", [(2, 4), (2, 5)], (2, 9), {"axis": 7}, False),
        ("slice", [(2, 9)], (2, 3), {"axis": 1, "start": 1, "step": 3, "stop": 9}, True),
        ("slice", [(2, 9)], (2, 3), {"axis": 1, "start": 1, "step": 4, "stop": 10}, False),
        ("slice", [(2, 9)], (2, 3), {"axis": 1, "start": 1, "step": 0, "stop": 9}, False),
        (
            "slice_backward",
            [(2, 3)],
            (2, 9),
            {"axis": 1, "extent": 9, "start": 1, "step": 3, "stop": 9},
            True,
        ),
        (
            "slice_backward",
            [(2, 3)],
            (2, 6),
            {"axis": 1, "extent": 6, "start": 1, "step": 3, "stop": 9},
            False,
        ),
        ("expand", [(2, 1, 3)], (2, 4, 3), {"shape": (2, 4, 3)}, True),
        ("expand", [(2, 2, 3)], (2, 4, 3), {"shape": (2, 4, 3)}, False),
        ("broadcast_sum", [(2, 4, 3)], (2, 1, 3), {"shape": (2, 1, 3)}, True),
        ("broadcast_sum", [(2, 4, 3)], (2, 2, 3), {"shape": (2, 2, 3)}, False),
        ("embedding", [(2, 4), (9, 3)], (2, 4, 3), {}, True),
        ("embedding", [(2, 4), (9,)], (2, 4), {}, False),
        ("embedding_backward", [(2, 4, 3), (2, 4)], (9, 3), {"rows": 9}, True),
        ("embedding_backward", [(2, 4, 3), (2, 3)], (9, 3), {"rows": 9}, False),
        ("batch_norm", [MAP, (3,), (3,)], MAP, {}, True),
        ("batch_norm", [MAP, (3,), (1,)], MAP, {}, False),
        ("unscale", [MAP, (1,), (1,)], MAP, {}, True),
        ("unscale", [MAP, (1,), (3,)], MAP, {}, True),  # a scale for each channel
        ("unscale", [MAP, (1,), (2,)], MAP, {}, False),
        ("max_pool", [MAP], (2, 2, 2, 3), POOL, True),
        ("max_pool", [MAP], (2, 3, 3, 3), POOL, False),
        ("max_pool", [(2, 6)], (2, 2), POOL, False),
        ("max_pool", [MAP], (2, 2, 2, 3), POOL | {"stride": (0, 2)}, False),
        ("max_pool", [MAP], (2, 3, 2, 3), POOL | {"padding_end": (1, 0)}, True),
        ("avg_pool", [MAP], (2, 2, 3, 3), POOL | {"overhang": (0, 1)}, True),
        ("max_pool", [MAP], (2, 2, 2, 3), POOL | {"kernel": (3, 9)}, False),
        ("max_pool", [MAP], (2, 2, 2, 3), POOL | {"kernel": "3"}, False),
        ("max_pool", [MAP], (2, 2, 2, 3), {}, False),
        ("global_avg_pool", [MAP], (2, 1, 1, 3), {}, True),
        ("global_avg_pool", [(2, 6)], (2, 1), {}, False),
    ],
)
def test_shapes_that_fit(
    function: str,
    inputs: list[tuple[int, ...]],
    output: tuple[int, ...],
    attributes: dict,
    fits: bool,
) -> None:
    op = VectorOp(
        name="op",
        layer="op",
        phase=Phase.FORWARD,
        function=function,
        inputs=tuple(f"in{index}" for index in range(len(inputs))),
        outputs=("out",),
        elements=1,
        compute_format=get_format("fp32"),
        attributes=tuple(sorted(attributes.items())),
    )
    problem = shape_problem(op, VECTOR_FUNCTIONS[function].inputs, inputs, [output])
    assert (problem is None) is fits
