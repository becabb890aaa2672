"""``accelsim show format``: constants, histogram and figure of every family."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from accelsim.cli import cli
from accelsim.errors import ConfigError, OutputError, UnknownNameError
from accelsim.formats import (
    format_registry,
    get_format,
    get_tensor_format,
    list_formats,
    list_tensor_formats,
)
from accelsim.report.format_page import format_page, number_constants, text_number_line
from accelsim.report.number_line import finite_values, gaps, write_number_line


def show(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["show", "format", *map(str, arguments)])


@pytest.mark.parametrize("name", list_formats())
def test_every_format_has_a_page(name: str) -> None:
    rows = dict(number_constants(format_registry().get(name)))
    assert rows["bits"] == str(get_format(name).bits)
    assert rows["max finite"] == repr(get_format(name).max_finite)


@pytest.mark.parametrize("name", list_tensor_formats())
def test_a_tensor_format_is_followed_by_its_element(name: str) -> None:
    fmt = get_tensor_format(name)
    table, element, *_ = format_page(fmt)
    assert not isinstance(table, str)
    assert not isinstance(element, str)
    assert (table.title, element.title) == (name, fmt.element.name)


def test_mx_says_its_blocks_and_scales() -> None:
    """OCP MX 1.0, table 1: blocks of 32 with E8M0 scales, 4 + 8/32 bits an element."""
    text = show("mx_fp4").output
    for words in ("bits per element   4.25", "block size         32", "scale format       e8m0"):
        assert words in text


def test_a_systematic_name_is_a_format() -> None:
    assert "exponent bits   3" in show("float_e3m2").output


def test_a_format_in_braces_is_a_format() -> None:
    """As in a recipe: bias 7 by the IEEE rule, so 240 is the largest, or 448 with one NaN."""
    assert "max finite      240.0" in show("{exponent_bits: 4, mantissa_bits: 3}").output
    spelled = "{exponent_bits: 4, mantissa_bits: 3, specials: nan_only}"
    assert "max finite      448.0" in show(spelled).output


def test_integers_and_posits_of_any_width_are_formats() -> None:
    """Three bits of two's complement end at -4; a posit of six bits, es 1, at 4**4."""
    assert "-4   -3   -2   -1" in show("int3").output
    assert "max finite      256.0" in show("posit6_es1").output


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{exponent_bits: 4", "This is not YAML"),
        ("{}", "A float format needs it."),
        ("{exponent_bits: 4, mantisa_bits: 3}", "Did you mean mantissa_bits?"),
        ("{exponent_bits: 4, mantissa_bits: 3, name: fp8_e5m2}", "belongs to another format"),
        ("int1", "it must be 2 to 48"),
        ("posit2_es1", "it must be 3 to 16"),
    ],
)
def test_a_format_that_cannot_be_is_refused_with_what_is_wrong(text: str, part: str) -> None:
    refused = show(text).exception
    assert isinstance(refused, ConfigError)
    assert part in str(refused)


def test_an_unknown_name_is_refused_with_a_hint() -> None:
    refused = show("fp8_e5m22").exception
    assert isinstance(refused, UnknownNameError)
    assert "Did you mean fp8_e5m2?" in str(refused)


def counts_of(name: str) -> list[int]:
    lines = text_number_line(get_format(name)).splitlines()[1:]
    return [int(line.partition(")")[2].split()[0].replace(",", "")) for line in lines]


def test_codes_per_binade_of_e5m2() -> None:
    """Two mantissa bits: 4 values a binade, in the subnormal ones 1 and 2; 2**-16 to 2**15."""
    assert counts_of("fp8_e5m2") == [1, 2] + [4] * 30


def test_codes_per_binade_of_integers() -> None:
    """2**e whole numbers from 2**e on."""
    assert counts_of("int8") == [2**e for e in range(7)]


def test_many_binades_are_joined_and_none_is_lost() -> None:
    """bf16: 254 normal binades of 128 values and 127 subnormal values."""
    counts = counts_of("bf16")
    assert len(counts) <= 32
    assert sum(counts) == 254 * 128 + 127


def test_values_are_ascending_and_zero_is_one() -> None:
    """256 codes of e5m2 less 6 NaNs, 2 infinities and one of two zeros."""
    values = finite_values(get_format("fp8_e5m2"))
    assert values.size == 256 - 6 - 2 - 1
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize(("name", "step"), [("fp32", 2.0**-23), ("int32", 1.0)])
def test_wide_formats_are_measured_at_powers_of_two(name: str, step: float) -> None:
    """The distance at 1 is 2**-23 in float32 and 1 in integers."""
    middle, distance = gaps(get_format(name))
    at_one = int(np.argmin(np.abs(middle - 1.0 - step / 2)))
    assert (middle[at_one], distance[at_one]) == (1.0 + step / 2, step)


def test_nearest_error_of_a_float_is_bounded_by_its_unit_roundoff() -> None:
    """u / (1 + u) with u = 2**-3 for three significant bits, reached after a power of two."""
    fmt = get_format("fp8_e5m2")
    middle, distance = gaps(fmt)
    normal = middle > fmt.min_normal
    worst = np.max(distance[normal] / 2 / middle[normal])
    assert worst == fmt.unit_roundoff / (1 + fmt.unit_roundoff)


@pytest.mark.parametrize("name", ["int4", "posit16_es1", "e8m0"])
def test_every_family_can_be_drawn(name: str, tmp_path: Path) -> None:
    write_number_line(get_format(name), tmp_path / "line.svg")
    words = "".join(ElementTree.parse(tmp_path / "line.svg").getroot().itertext())
    assert "accelsim" not in words  # nothing but the drawing


def test_a_figure_is_drawn_where_it_is_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "line.png"
    assert show("mx_fp4", "-o", target).exit_code == 0
    first = target.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert isinstance(show("mx_fp4", "-o", target).exception, OutputError)
    assert show("mx_fp4", "-o", target, "--force").exit_code == 0
    assert target.read_bytes() == first


def test_a_figure_needs_a_suffix_that_names_its_format(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a figure ends in \.svg, \.pdf, \.png"):
        write_number_line(get_format("int4"), tmp_path / "line.txt")
