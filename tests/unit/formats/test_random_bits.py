"""Random bits by name: reproducible, uniform, and unrelated to their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.formats.random_bits import Site, StreamKey, random_bits

MASK = 2**64 - 1
#: Chi-square with 255 degrees of freedom exceeds 330.5 once in a thousand (tables).
CHI_SQUARE_255 = 330.5


def _mix(word):
    """Stafford's Mix13, from its publication, on Python integers."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def _by_hand(key, site, row, column, position, count):
    """Follow the formula of the module's docstring with Python integers."""
    golden = 0x9E3779B97F4A7C15
    base = _mix((key.seed + golden) & MASK)
    for part in (key.step, key.op, int(site)):
        base = _mix(((base ^ part) + golden) & MASK)
    width = 16 if count <= 16 else 32
    group, place = divmod(position, 64 // width)
    row_word = _mix((row * 0xBB67AE8584CAA73B + base) & MASK)
    row_word = _mix((row_word + group * golden) & MASK)
    word = row_word ^ _mix((column + 1) * 0x3C6EF372FE94F82B & MASK)
    low = (word & 0xFFFFFFFF) * 0xD2511F53
    high = (word >> 32) * 0xCD9E8D57
    word = low ^ ((high << 32) & MASK) ^ (high >> 32)
    field = (word >> (place * width)) % 2**width
    return field >> (width - count)


@pytest.mark.parametrize("count", [1, 8, 16, 17, 32])
def test_bits_follow_the_published_formula(count):
    key = StreamKey(seed=2**63 + 5, step=12, op=7)
    for site, row, column, position in [
        (Site.INNER, 0, 0, 0),
        (Site.OUTER, 3, 1000, 5),
        (Site.UPDATE, 2**31, 2**40, 9),
    ]:
        found = random_bits(key, site, row, column, position=position, count=count)
        assert int(found) == _by_hand(key, site, row, column, position, count)


def test_rows_and_columns_broadcast_and_name_the_element():
    key = StreamKey(1, 2, 3)
    block = random_bits(key, Site.INNER, np.arange(5)[:, None], np.arange(7), position=4)
    assert block.shape == (5, 7)
    tile = random_bits(key, Site.INNER, np.arange(2, 4)[:, None], np.arange(3, 7), position=4)
    np.testing.assert_array_equal(tile, block[2:4, 3:7])
    assert random_bits(key, Site.INNER, 0, np.arange(0)).size == 0


def _sample(rows=256, columns=256, **change):
    arguments = {"seed": 5, "step": 0, "op": 0, "site": Site.INNER, "position": 0} | change
    key = StreamKey(arguments["seed"], arguments["step"], arguments["op"])
    return random_bits(
        key,
        arguments["site"],
        np.arange(rows)[:, None],
        np.arange(columns),
        position=arguments["position"],
    )


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("shift", [0, 4, 8])
def test_every_byte_of_every_field_is_uniform(position, shift):
    counts = np.bincount((_sample(position=position).ravel() >> shift) & 255, minlength=256)
    expected = counts.sum() / 256
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE_255


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"seed": 5 + 2**40},
        {"step": 1},
        {"op": 1},
        {"site": Site.OUTER},
        {"position": 1},
        {"position": 4},
    ],
)
def test_streams_with_neighbouring_names_are_unrelated(change):
    base, other = _sample(), _sample(**change)
    pairs = ((base >> 12) * 16 + (other >> 12)).ravel()
    counts = np.bincount(pairs, minlength=256)
    expected = counts.sum() / 256
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE_255
    flipped = np.unpackbits((base ^ other).astype(np.uint16).view(np.uint8)).mean()
    # 2**20 fair bits: standard deviation 0.0005; five of them.
    assert abs(flipped - 0.5) < 0.0025


@pytest.mark.parametrize("distance", [1, 2, 16, 64])
@pytest.mark.parametrize("axis", [0, 1])
def test_neighbouring_elements_are_unrelated(axis, distance):
    bits = _sample()
    other = np.roll(bits, distance, axis=axis)
    counts = np.bincount(((bits >> 12) * 16 + (other >> 12)).ravel(), minlength=256)
    expected = counts.sum() / 256
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE_255


@pytest.mark.parametrize("bit", [0, 7, 15])
def test_four_corners_of_a_rectangle_have_no_common_parity(bit):
    """The row and column words of the corners cancel; their random bits must not."""
    bits = (_sample() >> bit) & 1
    parity = bits[0::2, 0::2] ^ bits[0::2, 1::2] ^ bits[1::2, 0::2] ^ bits[1::2, 1::2]
    # 2**14 fair bits: standard deviation 0.0039; five of them.
    assert abs(parity.mean() - 0.5) < 0.02


def test_absurd_requests_are_refused():
    with pytest.raises(ConfigError, match=r"^A rounding uses 1 to 32 random bits, not 33\.$"):
        random_bits(StreamKey(), Site.INNER, 0, 0, count=33)
    with pytest.raises(ConfigError, match=r"^seed of a random stream"):
        StreamKey(seed=-1)
