"""The text of a file. Expected values are read off the YAML 1.2.2 specification or counted
by hand in the text beside them; error texts are matched whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim import config
from accelsim.config import dump_yaml, load_yaml, parse_yaml
from accelsim.errors import ConfigError

# --- scalars ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.2.2, example 10.3 (core schema) and section 10.3.2.
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("0", 0), ("0o7", 7), ("0x3A", 58), ("-19", -19), ("+12", 12),
        ("0.", 0.0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000.0), ("-2E+05", -200000.0),
        (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf),
        # Where YAML 1.1 reads something else.
        ("010", 10), ("1e-9", 1e-9), ("1e9", 1e9), ("0o10", 8), ("0x1f", 31),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("N", "N"),
        ("12:30", "12:30"), ("1_000", "1_000"), ("2026-01-01", "2026-01-01"),
        ("0b101", "0b101"), ("tRUE", "tRUE"), ("-0x1f", "-0x1f"), ("1e", "1e"), (".", "."),
        ("inf", "inf"), ("nan", "nan"), ("=", "="),
        # Quotes make strings.
        ("'1'", "1"), ('"true"', "true"), ("''", ""),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}").data["key"]
    assert (type(found), repr(found)) == (type(value), repr(value))


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_nan_has_three_spellings(text: str) -> None:
    assert math.isnan(parse_yaml(text).data)


# --- what is not accepted --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1\n  The key a is here a second time: on line 1 and on line 3. Remove one of them."),
        ("8: 1\n'8': 2\n", "f:2:1\n  The key 8 is here a second time: on line 1 and on line 2. Remove one of them."),
        ("a: {b: 1, b: 2}", "f:1:11\n  The key b is here a second time: on line 1 and on line 1. Remove one of them."),
        ("a: !!python/object:os.system x", "f:1:4\n  Tags are not accepted: tag:yaml.org,2002:python/object:os.system. Remove it."),
        ("a: !!str 5", "f:1:4\n  Tags are not accepted: tag:yaml.org,2002:str. Remove it."),
        ("a: !mine {}", "f:1:4\n  Tags are not accepted: !mine. Remove it."),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f:3:3\n  Merge keys (<<) are not accepted; `base:` lays a file over another."),
        ("a: 1\n---\nb: 2\n", "f:2:1\n  A file holds one document; here a second begins."),
        ("true: 1", "f:1:1\n  A key must be a string or a whole number, not True. Quote it."),
        ("1.5: 1", "f:1:1\n  A key must be a string or a whole number, not 1.5. Quote it."),
        ("? [a]\n: 1", "f:1:3\n  A key must be a string or a whole number, not a collection. Quote it."),
        ("a: *b", "f:1:4\n  *b refers to an anchor that is not complete before it."),
        ("a: &a [*a]", "f:1:8\n  *a refers to an anchor that is not complete before it."),
        ("a: &x 1\nb: &x 2", "f:2:4\n  The anchor &x is defined a second time."),
        ("a: 1e999", "f:1:4\n  1e999 is larger than any number in double precision."),
        ("a: " + "9" * 5000, "f:1:4\n  A number of 5000 characters: " + "9" * 40 + "..."),
        ("[" * 65 + "]" * 65, "f:1:65\n  More than 64 levels of nesting."),
        ("{" * 5000, "f:1:65\n  More than 64 levels of nesting."),
        ("? " * 5000, "f:1:129\n  More than 64 levels of nesting."),
    ],
)  # fmt: skip
def test_what_a_file_does_not_plainly_say_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, file="f")
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1, 2", "f:2:1"), ("a: 'x", "f:1:6"), ("a:\n\tb: 1", "f:2:1"), ("a: b: c", "f:1:5"), ("a: @x", "f:1:4")],
)  # fmt: skip
def test_broken_yaml_is_placed(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, file="f")
    assert str(caught.value).startswith(f"{place}\n  This is not YAML: ")


def test_control_characters_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\Af:1:1\n  This is not YAML: "):
        parse_yaml("a: \x00", file="f")


def test_aliases_share_values() -> None:
    assert parse_yaml("a: &x {b: 1}\nc: [*x, *x]").data == {"a": {"b": 1}, "c": [{"b": 1}] * 2}


def test_billion_laughs_are_refused() -> None:
    # Each line repeats the one before nine times: 9^7 values are more than the bound of 10^6.
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match=r"\Af:\d+:\d+\n  More than 1,000,000 values, counting"):
        parse_yaml("\n".join(lines), file="f")


def test_aliases_do_not_nest_past_the_bound() -> None:
    lines = ["a0: &a0 x"]
    lines += [f"a{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}" for i in range(1, 4)]
    with pytest.raises(ConfigError, match=r"\Af:3:\d+\n  More than 64 levels of nesting\.\Z"):
        parse_yaml("\n".join(lines), file="f")


# --- files -----------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml\n  The file cannot be read: No such file or"):
        load_yaml(tmp_path / "no.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The file cannot be read: Is a directory\.\Z"):
        load_yaml(tmp_path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"The file is not UTF-8 text: byte 3 is 0xe9\.\Z"):
        load_yaml(tmp_path / "latin.yaml")


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as stream:
        stream.truncate(config.MAX_FILE_BYTES + 1)
    with pytest.raises(ConfigError, match=r"The file is larger than 16 MiB\.\Z"):
        load_yaml(tmp_path / "huge.yaml")


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert load_yaml(tmp_path / "bom.yaml").data == {"a": 1}


def test_places_are_those_of_the_text() -> None:
    document = parse_yaml("a:\n  - b: 1\n    c: 2\n", file="f")
    assert document.where("a", 0, "c") == config.Place("f", 3, 8)
    assert document.where("a") == config.Place("f", 1, 1)
    assert document.where("a", 7) == config.Place("f", 1, 1)


# --- writing ---------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcxyz_10", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_dumped_is_parsed_back(data: object) -> None:
    assert repr(parse_yaml(dump_yaml({"data": data})).data) == repr({"data": data})


@pytest.mark.parametrize(
    "text", ["no", "1e9", "010", "12:30", "null", "true", "", "~", "1_0", "<<"]
)
def test_strings_that_look_like_something_else_come_back(text: str) -> None:
    assert parse_yaml(dump_yaml([text])).data == [text]
