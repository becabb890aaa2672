"""Parameters: PyTorch's layout in, the trace's layout out, checked element by element."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import DataError
from accelsim.workload import Linear, Preparation, TraceParameter, Workload, prepare_parameter


def prepared(kind: Preparation, sources: list[np.ndarray], **attributes: object) -> np.ndarray:
    names = tuple(f"p{index}" for index in range(len(sources)))
    pairs = tuple(attributes.items())
    parameter = TraceParameter("t", kind, names, pairs)  # type: ignore[arg-type]
    return prepare_parameter(parameter, dict(zip(names, sources, strict=True)))


def test_convolution_weights_go_channels_last_within_their_group() -> None:
    weight = np.arange(4 * 2 * 3 * 2, dtype=np.float64).reshape(4, 2, 3, 2)
    made = prepared(Preparation.CONV_WEIGHT, [weight], groups=2)
    assert made.shape == (2, 3 * 2 * 2, 2)
    for group, out, channel, y, x in np.ndindex(2, 2, 2, 3, 2):
        k = (y * 2 + x) * 2 + channel
        assert made[group, k, out] == weight[group * 2 + out, channel, y, x]


def test_linear_weights_follow_the_flattened_map() -> None:
    weight = np.arange(2 * 12, dtype=np.float64).reshape(2, 12)
    made = prepared(Preparation.LINEAR_WEIGHT, [weight], flattened_from=(3, 2, 2))
    for out, channel, y, x in np.ndindex(2, 3, 2, 2):
        assert made[0, (y * 2 + x) * 3 + channel, out] == weight[out, (channel * 2 + y) * 2 + x]
    np.testing.assert_array_equal(prepared(Preparation.LINEAR_WEIGHT, [weight]), weight.T[None])


def test_batch_norm_by_hand() -> None:
    # gamma 3, beta 1, mean 5, var 3.75 and eps 0.25: factor 3 / 2, shift 1 - 5 * 1.5 = -6.5.
    gamma, beta, mean, var = (np.array([value]) for value in (3.0, 1.0, 5.0, 3.75))
    assert prepared(Preparation.BATCH_NORM_SCALE, [gamma, var], eps=0.25) == 1.5
    assert prepared(Preparation.BATCH_NORM_SHIFT, [gamma, beta, mean, var], eps=0.25) == -6.5
    assert prepared(Preparation.FOLDED_BIAS, [gamma, beta, mean, var], eps=0.25) == -6.5
    # A bias of 2 of the convolution itself: 1 + (2 - 5) * 1.5 = -3.5.
    bias = np.array([2.0])
    assert prepared(Preparation.FOLDED_BIAS, [gamma, beta, mean, var, bias], eps=0.25) == -3.5


def test_nan_goes_through() -> None:
    assert np.isnan(prepared(Preparation.COPY, [np.array([np.nan])])).all()


def test_a_missing_source_is_named() -> None:
    parameter = TraceParameter("t", Preparation.COPY, ("fc.bias",))
    with pytest.raises(DataError, match=r"^The weights lack fc\.bias\.$"):
        prepare_parameter(parameter, {})


def test_a_negative_variance_is_refused() -> None:
    with pytest.raises(DataError, match=r"variance that 't' is made of is negative"):
        prepared(Preparation.BATCH_NORM_SCALE, [np.ones(2), np.array([1.0, -1.0])], eps=0.1)


def test_flattened_from_must_hold_the_features() -> None:
    with pytest.raises(ValueError, match=r"holds 12 features, not in_features = 10"):
        Linear(name="x", in_features=10, out_features=1, flattened_from=(3, 2, 2))


def test_a_layer_in_python_holds_plain_values() -> None:
    layer = {"name": "x", "kind": "relu", "inputs": {1, 2}}
    with pytest.raises(ValueError, match=r"A layer holds plain values: "):
        Workload.model_validate({"name": "n", "input": {"shape": (4,)}, "layers": (layer,)})
