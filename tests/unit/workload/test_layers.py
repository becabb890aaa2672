"""Every layer: shapes and counts by hand, values against its own float64 definition."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import ShapeError
from accelsim.numerics.executor import execute
from accelsim.precision import get_recipe
from accelsim.testing.check_layer import check_layer, lower_layer, reads_tokens
from accelsim.workload import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Add,
    Attention,
    AvgPool2d,
    BatchNorm2d,
    CacheAppend,
    ClassToken,
    Clip,
    Concat,
    Constant,
    Conv2d,
    Divide,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    HardSigmoid,
    HardSwish,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MatMul,
    MaxPool2d,
    Multiply,
    Positions,
    ReLU,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Subtract,
    Swish,
    Tanh,
    Transpose,
    prepare_parameter,
)
from accelsim.workload.layers import BUILTIN
from accelsim.workload.layers.gelu import GELUApproximation
from accelsim.workload.layers.positions import PositionTable
from accelsim.workload.layers.recurrent import GivenOut


def conv(**fields: object) -> Conv2d:
    return Conv2d(**{"name": "x", "in_channels": 4, "out_channels": 6, "kernel": (3, 3)} | fields)


CASES: list[tuple[Layer, list[tuple[int, ...]]]] = [
    (conv(), [(7, 5, 4)]),
    (conv(kernel=(1, 1), bias=False), [(4, 4, 4)]),
    (conv(kernel=(1, 1), stride=(2, 2)), [(5, 5, 4)]),
    (conv(kernel=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 3)), [(9, 8, 4)]),
    (conv(groups=2, padding=(1, 1)), [(6, 7, 4)]),
    (conv(out_channels=4, groups=4, stride=(2, 2)), [(7, 7, 4)]),
    (Linear(name="x", in_features=12, out_features=5), [(12,)]),
    (Linear(name="x", in_features=4, out_features=5, bias=False), [(2, 3, 4)]),
    (Linear(name="x", in_features=12, out_features=5, flattened_from=(2, 3, 2)), [(12,)]),
    (BatchNorm2d(name="x", num_features=3, eps=1e-3), [(4, 5, 3)]),
    (ReLU(name="x"), [(4, 5, 3)]),
    (MaxPool2d(name="x", kernel=(3, 2), stride=(2, 1), padding=(1, 0)), [(7, 6, 3)]),
    (MaxPool2d(name="x", kernel=(2, 2), stride=(1, 1), dilation=(2, 2)), [(6, 6, 2)]),
    (AvgPool2d(name="x", kernel=(3, 3), stride=(2, 2), padding=(1, 1)), [(6, 6, 3)]),
    (
        AvgPool2d(name="x", kernel=(3, 3), stride=(2, 2), padding=(1, 1), count_include_pad=False),
        [(6, 7, 3)],
    ),
    (conv(padding=(0, 2), padding_end=(1, 0), stride=(2, 2)), [(6, 7, 4)]),
    (conv(kernel=(1, 1), padding_end=(1, 2)), [(3, 4, 4)]),
    (conv(kernel=(1, 3), padding=(0, 2), padding_end=(0, 0), groups=2), [(1, 9, 4)]),
    (MaxPool2d(name="x", kernel=(3, 3), stride=(2, 2), padding_end=(1, 1)), [(6, 8, 3)]),
    (MaxPool2d(name="x", kernel=(3, 2), stride=(2, 3), ceil_mode=True), [(6, 9, 3)]),
    (AvgPool2d(name="x", kernel=(3, 3), stride=(2, 2), ceil_mode=True), [(6, 8, 3)]),
    (
        AvgPool2d(
            name="x",
            kernel=(3, 4),
            stride=(2, 3),
            padding=(1, 2),
            padding_end=(0, 1),
            dilation=(1, 2),
            ceil_mode=True,
        ),
        [(7, 9, 3)],
    ),
    (
        AvgPool2d(
            name="x", kernel=(3, 3), stride=(2, 2), padding_end=(2, 1), count_include_pad=False
        ),
        [(6, 7, 3)],
    ),
    (GlobalAvgPool(name="x"), [(7, 5, 3)]),
    (GlobalMaxPool(name="x"), [(7, 5, 3)]),
    (LocalResponseNorm(name="x", size=5, alpha=0.3, beta=0.6, k=2.0), [(3, 4, 8)]),
    (LocalResponseNorm(name="x", size=4, alpha=2.0), [(3, 4, 3)]),
    (Flatten(name="x"), [(2, 3, 4)]),
    (Softmax(name="x"), [(10,)]),
    (Softmax(name="x", causal=True), [(3, 4, 6)]),
    (LayerNorm(name="x", num_features=8, eps=1e-3), [(3, 8)]),
    (GELU(name="x"), [(3, 8)]),
    (GELU(name="x", approximate=GELUApproximation.TANH), [(3, 8)]),
    (Positions(name="x", max_length=9, offset=2), [(5, 8)]),
    (Positions(name="x", max_length=9, table=PositionTable.SINUSOIDAL, scale=3.0), [(5, 7)]),
    (ClassToken(name="x"), [(5, 8)]),
    (CacheAppend(name="x"), [(5, 8), (2, 8)]),
    (Attention(name="x", heads=2), [(5, 8), (5, 8), (5, 8)]),
    (Attention(name="x", heads=2, causal=True, scale=0.3), [(3, 8), (5, 8), (5, 6)]),
    (Attention(name="x", heads=6, kv_heads=2), [(4, 24), (5, 8), (5, 6), (4, 5)]),
    (Attention(name="x", heads=2, causal=True), [(4, 8), (5, 8), (5, 8), (1, 5)]),
    (Constant(name="x", shape=(2, 3)), []),
    (LSTM(name="x", input_size=3, hidden_size=4), [(5, 3)]),
    (LSTM(name="x", input_size=3, hidden_size=2, bidirectional=True, num_layers=2), [(3, 3)]),
    (
        LSTM(
            name="x",
            input_size=3,
            hidden_size=2,
            bidirectional=True,
            bias=False,
            output=GivenOut.LAST,
        ),
        [(4, 3)],
    ),
    (GRU(name="x", input_size=3, hidden_size=4, num_layers=2), [(3, 3)]),
    (GRU(name="x", input_size=2, hidden_size=3, linear_before_reset=False), [(4, 2)]),
    (
        GRU(name="x", input_size=2, hidden_size=3, bidirectional=True, output=GivenOut.LAST),
        [(4, 2)],
    ),
    (
        GRU(
            name="x",
            input_size=2,
            hidden_size=3,
            linear_before_reset=False,
            bias=False,
            bidirectional=True,
        ),
        [(1, 2)],
    ),
    (Clip(name="x", min=0.0, max=0.75), [(4, 5, 3)]),
    (Clip(name="x", max=0.5), [(7,)]),
    (LeakyReLU(name="x", negative_slope=0.2), [(4, 5, 3)]),
    (ELU(name="x", alpha=0.5), [(4, 5, 3)]),
    (Sigmoid(name="x"), [(4, 5, 3)]),
    (Tanh(name="x"), [(9,)]),
    (Swish(name="x"), [(4, 5, 3)]),
    (HardSigmoid(name="x", alpha=0.2, beta=0.25), [(4, 5, 3)]),
    (HardSwish(name="x"), [(4, 5, 3)]),
    (Add(name="x"), [(4, 5, 3), (4, 5, 3)]),
    (Add(name="x"), [(4, 5, 3), (3,), (5, 1), (4, 1, 1)]),
    (Subtract(name="x"), [(5, 3), (4, 1, 3)]),
    (Multiply(name="x"), [(4, 5, 3), (1, 1, 3)]),
    (Divide(name="x"), [(4, 5), (4, 1)]),
    (Reshape(name="x", shape=(6, -1)), [(3, 4, 5)]),
    (Transpose(name="x", axes=(2, 0, 1)), [(3, 4, 5)]),
    (Transpose(name="x", axes=(1, 0, -1)), [(3, 1, 5)]),
    (Concat(name="x", axis=0), [(3, 4), (1, 4), (2, 4)]),
    (Concat(name="x"), [(3, 4), (3, 2)]),
    (Slice(name="x", axis=0, start=1, stop=-1, step=2), [(7, 4)]),
    (Slice(name="x"), [(7, 4)]),
    (MatMul(name="x"), [(3, 4, 5), (3, 5, 2)]),
    (MatMul(name="x", transpose_b=True), [(2, 3, 4, 5), (2, 3, 2, 5)]),
    (MatMul(name="x"), [(2, 3, 4, 5), (5, 2)]),
    (MatMul(name="x", transpose_b=True), [(2, 3, 4, 5), (1, 1, 6, 5)]),
    (MatMul(name="x"), [(1, 4, 5), (3, 5, 2)]),
    (MatMul(name="x"), [(2, 1, 4, 5), (3, 5, 2)]),
    (Embedding(name="x", vocabulary=7, features=3), [(4, 2)]),
]


@pytest.mark.parametrize(
    ("layer", "shapes"), CASES, ids=[f"{index}-{case[0].kind}" for index, case in enumerate(CASES)]
)
def test_builtin_layers_pass_the_kit(layer: Layer, shapes: list[tuple[int, ...]]) -> None:
    check_layer(layer, shapes, batch=2 if shapes else 1)


@pytest.mark.parametrize("recipe", ["fp32", "wang2018", "int8"])
@pytest.mark.parametrize(
    ("layer", "shapes"), CASES, ids=[f"{index}-{case[0].kind}" for index, case in enumerate(CASES)]
)
def test_executed_layers_are_near_their_definition(
    layer: Layer, shapes: list[tuple[int, ...]], recipe: str
) -> None:
    # Formats lose 2^-24, 2^-3 and 2^-8 at most per operand; sums of some ten products, twice that.
    tolerance = {"fp32": 1e-5, "wang2018": 0.3, "int8": 0.05}[recipe]
    rng = np.random.default_rng(3)
    trace = lower_layer(layer, shapes, get_recipe(recipe), batch=1)
    parameters = {spec.name: rng.uniform(0.5, 1.5, spec.shape) for spec in layer.parameters(shapes)}
    full_names = {f"{layer.name}.{name}": value for name, value in parameters.items()}
    inputs = [rng.standard_normal((1, *shape)) for shape in shapes]
    if reads_tokens(layer):
        inputs = [np.floor(np.abs(x)) for x in inputs]
    tensors = dict(zip(trace.inputs, inputs, strict=True))
    for parameter in trace.parameters:
        tensors[parameter.tensor] = prepare_parameter(parameter, full_names)
    got = execute(trace, tensors, references=False).output
    want = layer.reference(inputs, parameters)
    scale = np.max(np.abs(want))
    assert np.max(np.abs(got.reshape(want.shape) - want)) <= tolerance * scale


def test_every_builtin_layer_is_checked() -> None:
    assert {layer.kind for layer, _ in CASES} == set(BUILTIN)


def test_convolution_shape_and_macs_by_hand() -> None:
    # AlexNet's first layer: (224 + 4 - 11) // 4 + 1 = 55; 55 * 55 * 64 * 363 MACs.
    layer = Conv2d(
        name="c", in_channels=3, out_channels=64, kernel=(11, 11), stride=(4, 4), padding=(2, 2)
    )
    assert layer.output_shape([(224, 224, 3)]) == (55, 55, 64)
    assert layer.macs([(224, 224, 3)]) == 70_276_800


def test_dilated_kernel_reaches_further() -> None:
    # Dilation 2 makes a kernel of 3 span 5: 9 - 5 + 1 = 5 windows.
    assert conv(dilation=(2, 2)).output_shape([(9, 9, 4)]) == (5, 5, 6)


def test_reference_of_a_convolution_by_hand() -> None:
    # A 2 x 2 map and kernel, one window: 1*1 + 2*10 + 3*100 + 4*1000 = 4321.
    layer = conv(in_channels=1, out_channels=1, kernel=(2, 2), bias=False)
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    weight = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 1, 2, 2)
    assert layer.reference([x], {"weight": weight}).item() == 4321.0


def test_one_number_stands_for_both_directions() -> None:
    layer = Conv2d.model_validate_json(
        '{"name": "c", "in_channels": 1, "out_channels": 1, "kernel": 5, "padding": 2}'
    )
    assert (layer.kernel, layer.padding) == ((5, 5), (2, 2))


def test_pooling_steps_by_its_kernel_unless_told_otherwise() -> None:
    layer = MaxPool2d.model_validate_json('{"name": "p", "kernel": 2}')
    assert layer.output_shape([(8, 6, 3)]) == (4, 3, 3)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (conv(), [(8, 8, 3)], r"^it takes 4 channels and is given 3; set in_channels: 3, or "),
        (conv(), [(12,)], r"^it takes a map \(height, width, channels\) and is given .*\(12,\)$"),
        (conv(kernel=(9, 9)), [(4, 4, 4)], r"^its window spans 9 in height.*at least 3 or"),
        (
            Linear(name="x", in_features=48, out_features=5),
            [(4, 4, 3)],
            r"^it takes 48 features and is given 3; .*a flatten layer before it would give it 48$",
        ),
        (
            BatchNorm2d(name="x", num_features=3),
            [(4, 4, 5)],
            r"^it takes 3 channels and is given 5",
        ),
        (Add(name="x"), [(4, 4, 5)], r"^it adds two inputs and is given 1; name both in inputs$"),
        (Add(name="x"), [(4, 4, 5), (2, 4, 5)], r"^its inputs have different shapes"),
    ],
)
def test_shapes_that_do_not_fit_say_what_would(
    layer: Layer, shapes: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        layer.output_shape(shapes)


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="groups = 3 does not divide in_channels = 4"):
        conv(groups=3)


def test_padding_of_a_pool_stays_within_half_its_window() -> None:
    with pytest.raises(ValueError, match="more than half of kernel"):
        MaxPool2d(name="x", kernel=(2, 2), stride=(2, 2), padding=(2, 2))


def test_the_kit_finds_a_wrong_count() -> None:
    class Boastful(Conv2d):
        def macs(self, inputs: object) -> int:
            return 1 + super().macs(inputs)  # type: ignore[arg-type]

    layer = Boastful(name="x", in_channels=2, out_channels=2, kernel=(1, 1))
    with pytest.raises(AssertionError, match=r"^The layer breaks its contract: .*macs says"):
        check_layer(layer, [(3, 3, 2)])


def test_the_kit_finds_a_wrong_value() -> None:
    class Negative(ReLU):
        def reference(self, inputs: object, parameters: object) -> np.ndarray:
            return -super().reference(inputs, parameters)  # type: ignore[arg-type]

    with pytest.raises(AssertionError, match=r"its lowering is off its reference by up to"):
        check_layer(Negative(name="x"), [(3, 3, 2)])


def test_windows_round_up_but_never_begin_beyond_the_map() -> None:
    # Extent 6, kernel 3, step 2: windows at 0 and 2, rounded up also at 4 with one of three
    # elements missing. Extent 5, kernel 1, step 3: at 0 and 3; a third would begin at 6.
    ceil = MaxPool2d(name="p", kernel=(3, 1), stride=(2, 3), ceil_mode=True)
    assert ceil.output_shape([(6, 5, 1)]) == (3, 2, 1)


@pytest.mark.parametrize(("include", "means"), [(True, [1, 2.5, 2]), (False, [1, 2.5, 4])])
def test_an_overhang_never_counts_and_padding_does_where_asked(
    include: bool, means: list[float]
) -> None:
    # 1 1 3 2 4 and one zero after it, windows of 2 a step apart: (1 1) (3 2) (4 0).
    layer = AvgPool2d(
        name="p", kernel=(1, 2), stride=(1, 2), padding_end=(0, 1), count_include_pad=include
    )
    x = np.array([1.0, 1, 3, 2, 4]).reshape(1, 1, 5, 1)
    assert layer.reference([x], {}).reshape(-1).tolist() == means
    # Without the zero, rounded up: the last window holds the 4 alone and divides by 1.
    ceil = AvgPool2d(name="p", kernel=(1, 2), stride=(1, 2), ceil_mode=True,
                     count_include_pad=include)  # fmt: skip
    assert ceil.reference([x], {}).reshape(-1).tolist() == [1, 2.5, 4]


def test_padding_at_the_end_of_a_pool_stays_within_its_window() -> None:
    with pytest.raises(ValueError, match="not less than kernel"):
        MaxPool2d(name="x", kernel=(2, 2), stride=(2, 2), padding_end=(0, 2))
