"""A token at a time with a cache of keys and values: the same bits as the whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelsim.arch import load_chip
from accelsim.numerics.executor import execute
from accelsim.numerics.initialize import bind_tensors, he_parameters
from accelsim.precision import get_recipe
from accelsim.schedule import make_schedules
from accelsim.workload import Gemm, Workload, lower

FEATURES, LENGTH = 24, 9


def decoder(*, cached: int) -> Workload:
    """One layer of a decoder for LENGTH tokens, or for the one that follows `cached` others."""

    def linear(name: str, source: str, columns: int, rows: int = FEATURES) -> dict[str, Any]:
        return {"name": name, "kind": "linear", "in_features": rows, "out_features": columns,
                "inputs": (source,)}  # fmt: skip

    inputs: dict[str, Any] = {"x": {"shape": (LENGTH - cached, FEATURES)}}
    caches: list[dict[str, Any]] = []
    keys, values = "k", "v"
    if cached:
        inputs |= {name: {"shape": (cached, FEATURES)} for name in ("past_k", "past_v")}
        keys, values = "all_k", "all_v"
        caches = [{"name": f"all_{name}", "kind": "cache_append", "inputs": (f"past_{name}", name)}
                  for name in "kv"]  # fmt: skip
    layers = [
        {"name": "p", "kind": "positions", "max_length": LENGTH, "offset": cached,
         "inputs": ("x",)},
        {"name": "n", "kind": "layer_norm", "num_features": FEATURES},
        *(linear(name, "n", FEATURES) for name in "qkv"),
        *caches,
        {"name": "a", "kind": "attention", "heads": 3, "causal": True,
         "inputs": ("q", keys, values)},
        linear("o", "a", FEATURES),
        {"name": "s", "kind": "add", "inputs": ("o", "p")},
        linear("up", "s", 2 * FEATURES),
        {"name": "g", "kind": "gelu", "approximate": "tanh"},
        linear("head", "g", 7, 2 * FEATURES),
    ]  # fmt: skip
    outputs = ("head", *((keys, values) if cached else ("k", "v")))
    return Workload.model_validate(
        {"name": "net", "inputs": inputs, "layers": tuple(layers), "outputs": outputs}
    )


# Recipes whose formats need no scale of a whole tensor, which a later token would change.
@pytest.mark.parametrize(
    "recipe", ["wang2018", "fp8_plain", "hfp8", "bf16_mixed", "fp16_fp16acc", "fp32", "posit8"]
)
def test_a_cached_step_gives_the_bits_of_the_last_row(recipe: str) -> None:
    rule = get_recipe(recipe)
    whole, step = decoder(cached=0), decoder(cached=LENGTH - 1)
    parameters = he_parameters(whole.parameters, seed=3)
    assert whole.parameters == step.parameters
    x = np.random.default_rng(4).standard_normal((2, LENGTH, FEATURES)).astype(np.float32)

    prefill = lower(whole, rule, batch=2)
    first = execute(prefill, bind_tensors(prefill, parameters, {"x": x}), references=False)
    keys, values = first.tensors["k"], first.tensors["v"]
    decode = lower(step, rule, batch=2)
    given = {"x": x[:, -1:], "past_k": keys[:, :-1], "past_v": values[:, :-1]}
    second = execute(decode, bind_tensors(decode, parameters, given), references=False)

    np.testing.assert_array_equal(second.tensors["head"][:, 0], first.tensors["head"][:, -1])
    fmt = decode.tensors["all_k"].format
    assert fmt == rule.gemm_rule().operands.activation
    np.testing.assert_array_equal(second.tensors["all_k"], fmt.quantize(keys))


def test_every_product_of_a_step_has_one_row_a_sample_or_head() -> None:
    trace = lower(decoder(cached=LENGTH - 1), get_recipe("wang2018"), batch=2)
    gemms = {op.name: op for op in trace.ops if isinstance(op, Gemm)}
    assert (gemms["q.forward"].groups, gemms["q.forward"].m) == (1, 2)
    scores, output = gemms["a.scores.gemm"], gemms["a.gemm"]
    # 2 samples of 3 heads of 8 features; 8 keys in the cache and a new one.
    assert (scores.groups, scores.m, scores.n, scores.k) == (6, 1, 9, 8)
    assert (output.groups, output.m, output.n, output.k) == (6, 1, 8, 9)
    appended = next(op for op in trace.vector_ops if op.name == "all_k.append_rows")
    assert appended.elements == 2 * FEATURES  # the cache itself is not visited


def test_the_order_of_a_chip_gives_the_same_bits_too() -> None:
    chip, rule = load_chip("fp8_chunk64"), get_recipe("wang2018")
    parameters = he_parameters(decoder(cached=0).parameters, seed=3)
    x = np.random.default_rng(4).standard_normal((1, LENGTH, FEATURES)).astype(np.float32)
    runs = []
    for cached in (0, LENGTH - 1):
        trace = lower(decoder(cached=cached), rule)
        given = {"x": x[:, cached:]}
        if cached:
            given |= {f"past_{name}": runs[0].tensors[name][:, :-1] for name in "kv"}
        runs.append(
            execute(
                trace,
                bind_tensors(trace, parameters, given),
                schedules=make_schedules(trace.ops, chip),
                references=False,
            )
        )
    np.testing.assert_array_equal(runs[1].tensors["head"][:, 0], runs[0].tensors["head"][:, -1])
