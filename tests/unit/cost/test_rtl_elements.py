"""The two-rate element and the chunk accumulator, as gates, against the emulator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from accelsim.cost.rtl import RtlUnit, held_two_rate_unit, mac_unit, two_rate_unit
from accelsim.cost.rtl.netlist import Clocked, Netlist, evaluate
from accelsim.formats import FloatFormat
from accelsim.numerics import accumulate
from accelsim.precision import Accumulator
from tests.unit.cost.rtl_oracle import (
    codes,
    edge_codes,
    float_formats,
    gates,
    near,
    needs_yosys,
    round_sum,
    values,
)

pytestmark = needs_yosys

E5M2, E4M3, SUM = float_formats("fp8_e5m2", "fp8_e4m3fn", "fp16_e6m9")
KINDS = (E5M2, E4M3)
COUNT = 6000


#: Outputs of an element for codes at its ports.
Element = Callable[[dict], np.ndarray]


def at_once(*, fused: bool) -> Element:
    netlist = gates(two_rate_unit(fused=fused, registered=False))
    return lambda inputs: evaluate(netlist, inputs)["sum"]


def in_halves() -> Element:
    """Return the element that is cut between its additions: its register is clocked here."""
    netlist = gates(held_two_rate_unit(registered=False))

    def run_halves(inputs: dict) -> np.ndarray:
        first = evaluate(netlist, {**inputs, "held": 0})
        second = evaluate(netlist, {**inputs, "held": first["next_held"]})
        assert np.array_equal(first["next_held"], second["next_held"])
        return second["sum"]

    return run_halves


@pytest.fixture(scope="module", params=["sequential", "held", "fused"])
def element(request) -> tuple[bool, Element]:
    """Return whether pairs are fused, and the element."""
    fused = request.param == "fused"
    return fused, in_halves() if request.param == "held" else at_once(fused=fused)


def draw(fmt: FloatFormat, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return codes, half of them edges."""
    half = count // 2
    some = rng.choice(edge_codes(fmt), half)
    return np.concatenate([some, rng.integers(0, 1 << fmt.bits, count - half).astype(np.uint64)])


def run(element: Element, mode: int, kinds: tuple[int, int], a, b, acc) -> np.ndarray:
    return element(
        {"mode": mode, "a_kind": kinds[0], "b_kind": kinds[1], "a": a, "b": b, "acc": acc}
    )


def test_16_bit_products_are_exact_and_rounded_once(element) -> None:
    _, one = element
    rng = np.random.default_rng(0)
    a, b = draw(SUM, rng, COUNT), rng.permutation(draw(SUM, rng, COUNT))
    with np.errstate(all="ignore"):
        exact = values(a, SUM) * values(b, SUM)
    acc = np.where(rng.random(COUNT) < 0.5, near(-exact, SUM, rng), draw(SUM, rng, COUNT))
    got = run(one, 0, (rng.integers(0, 2), 1), a, b, acc)
    assert np.array_equal(got, round_sum(values(acc, SUM), exact[:, None], SUM))


@pytest.mark.parametrize("kinds", [(0, 0), (1, 1), (0, 1), (1, 0)])
def test_pairs_of_8_bit_products(element, kinds) -> None:
    """Pairs of edges and of products that nearly cancel each other or the sum.

    Sequential: lane 0 is the earlier k position, its sum is rounded before lane 1 is
    added. Fused: the exact sum of three is rounded once.
    """
    fused, one = element
    left, right = (KINDS[kind] for kind in kinds)
    rng = np.random.default_rng(10 + 2 * kinds[0] + kinds[1])
    a0, a1 = draw(left, rng, COUNT), rng.permutation(draw(left, rng, COUNT))
    b0, b1 = rng.permutation(draw(right, rng, COUNT)), rng.permutation(draw(right, rng, COUNT))
    # A third of the pairs cancel exactly, or but for the last place of one operand.
    third = COUNT // 3
    a1[:third] = a0[:third] ^ np.uint64(0x80)
    b1[:third] = b0[:third] ^ rng.integers(0, 2, third).astype(np.uint64)
    with np.errstate(all="ignore"):
        first = values(a0, left) * values(b0, right)
        second = values(a1, left) * values(b1, right)
        acc = np.where(
            rng.random(COUNT) < 0.5, near(-first - second, SUM, rng), draw(SUM, rng, COUNT)
        )
    got = run(one, 1, kinds, a1 << np.uint64(8) | a0, b1 << np.uint64(8) | b0, acc)
    start = values(acc, SUM)
    if fused:
        expected = round_sum(start, np.stack([first, second], -1), SUM)
    else:
        halfway = values(round_sum(start, first[:, None], SUM), SUM)
        expected = round_sum(halfway, second[:, None], SUM)
    assert np.array_equal(got, expected)


def test_a_single_product_leaves_what_is_held_alone() -> None:
    """In mode 0 the second half has nothing to do, and its register nothing to switch."""
    rng = np.random.default_rng(2)
    a, b, acc = (draw(SUM, rng, COUNT) for _ in range(3))
    inputs = {"mode": 0, "a_kind": 0, "b_kind": 0, "a": a, "b": b, "acc": acc, "held": 0}
    held = evaluate(gates(held_two_rate_unit(registered=False)), inputs)["next_held"]
    assert len(np.unique(held)) == 1


def sequences(rng: np.random.Generator, count: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return operand codes (count, k): alike, growing, cancelling, tiny, overflowing, any."""
    a = np.empty((count, k), np.uint64)
    b = rng.integers(0x38, 0x48, (count, k)).astype(np.uint64)
    at = np.arange(k, dtype=np.uint64)
    a[0::6] = rng.integers(0x3C, 0x40, (len(a[0::6]), 1))  # positive and alike: swamping
    a[1::6] = 0x30 + at // 8 % 32  # growing
    a[2::6] = 0x3C + 0x80 * (at % 2)  # cancelling
    a[3::6] = rng.integers(0, 6, (len(a[3::6]), k))  # subnormal
    a[4::6] = 0x7B  # the largest numbers, overflowing
    b[4::6] = 0x7B - rng.integers(0, 3, b[4::6].shape)
    a[5::6] = rng.integers(0, 256, (len(a[5::6]), k))  # any, infinities and NaN too
    b[5::6] = rng.integers(0, 256, (len(b[5::6]), k))
    return a, b


@pytest.mark.parametrize(("k", "chunk"), [(150, 64), (24, 1), (40, 40), (37, 8)])
def test_the_chunk_accumulator_is_the_emulators(chunk_unit, k, chunk) -> None:
    """384 reductions side by side, the last chunk of all but one case a short one."""
    a, b = sequences(np.random.default_rng(k), 384, k)
    copies = Clocked(chunk_unit, len(a))
    for position in range(k):
        ends = (position + 1) % chunk == 0 or position + 1 == k
        copies.step({
            "valid": 1, "first": int(position == 0), "chunk_end": int(ends),
            "a": a[:, position], "b": b[:, position],
        })  # fmt: skip
    copies.step({"valid": 0, "first": 1, "chunk_end": 1, "a": 0x3C, "b": 0x3C})  # changes nothing
    got = copies.settle({"valid": 0, "first": 0, "chunk_end": 0, "a": 0, "b": 0})["total"]
    accumulator = Accumulator(format="fp16_e6m9", chunk_size=chunk)
    with np.errstate(invalid="ignore"):
        expected = accumulate(values(a, E5M2) * values(b, E5M2), accumulator)
    assert np.array_equal(got, codes(expected, SUM))


@pytest.fixture(scope="module")
def chunk_unit() -> Netlist:
    unit: RtlUnit = mac_unit("fp_mac_chunk", "fp8_e5m2", "fp8_e5m2", "fp16_e6m9")
    return gates(unit)
