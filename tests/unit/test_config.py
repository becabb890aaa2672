"""Models that files fill. Error texts are matched whole, their places counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

import jsonschema
import pytest
from pydantic import Field, ValidationError, model_validator

from accelsim import config
from accelsim.config import StrictModel, dump_yaml, json_schema, load_model, parse_yaml
from accelsim.errors import ConfigError, Problem


class Dataflow(StrEnum):
    WEIGHT = "weight_stationary"
    OUTPUT = "output_stationary"


class Memory(StrictModel):
    name: str
    capacity_kib: Annotated[int, Field(gt=0)]
    """Bytes that it holds, in KiB. More text."""
    bandwidth: float = 1.0


class Conv(StrictModel):
    kind: Literal["conv2d"] = "conv2d"
    conv2d: int = 1
    kernel: tuple[int, int] = (3, 3)


class Linear(StrictModel):
    kind: Literal["linear"] = "linear"
    features: int


class Inline(StrictModel):
    exponent_bits: int
    mantissa_bits: int | str


class Chip(StrictModel):
    name: str
    cores: Annotated[int, Field(ge=1, le=64)] = 1
    dataflow: Dataflow = Dataflow.WEIGHT
    memories: tuple[Memory, ...] = ()
    layers: tuple[Annotated[Conv | Linear, Field(discriminator="kind")], ...] = ()
    format: str | Inline = "fp8"
    latencies: dict[int, int] = Field(default_factory=dict)
    by_name: dict[str, Memory] = Field(default_factory=dict)
    spare: Memory | None = None
    pair: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cores == 13:
            raise ValueError("Thirteen cores make no ring.")
        if self.cores == 14:
            raise ConfigError(
                [
                    Problem("Too small for fourteen cores.", path="memories[0].capacity_kib"),
                    Problem("And for this dataflow.", path="dataflow"),
                ]
            )
        return self


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Chip]:
    def write_and_load(text: str, **options: object) -> Chip:
        (tmp_path / "chip.yaml").write_text(text)
        return load_model(tmp_path / "chip.yaml", Chip, **options)  # type: ignore[arg-type]

    return write_and_load


@pytest.fixture
def problems_of(load: Callable[..., Chip], tmp_path: Path) -> Callable[..., list[str]]:
    """Load a bad file and list its problems, the folder cut off."""

    def list_problems(text: str, **options: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **options)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return list_problems


# --- models ----------------------------------------------------------------------------------


def test_lists_fill_tuples_strings_fill_enums_and_whole_numbers_fill_floats(
    load: Callable[..., Chip],
) -> None:
    chip = load(
        "name: c\ndataflow: output_stationary\nlatencies: {8: 2}\n"
        "memories: [{name: sram, capacity_kib: 2, bandwidth: 3}]\n"
        "layers: [{kind: conv2d, kernel: [1, 2]}, {kind: linear, features: 5}]\n"
    )
    memory = Memory(name="sram", capacity_kib=2, bandwidth=3.0)
    assert chip == Chip(
        name="c",
        dataflow=Dataflow.OUTPUT,
        latencies={8: 2},
        memories=(memory,),
        layers=(Conv(kernel=(1, 2)), Linear(features=5)),
    )
    assert isinstance(chip.memories[0].bandwidth, float)


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Memory(name="a", capacity_kib=1).name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("memories: [{name: a, capacity_kb: 2, capacity_kib: 1}]", "1:22  memories[0].capacity_kb\n  Unknown key. Did you mean capacity_kib?"),
        ("zzz: 2", "1:1  zzz\n  Unknown key. Known keys: name, cores, dataflow, memories, layers, format, latencies, by_name, spare, pair."),
        ("memories:\n- name: a", "2:3  memories[0].capacity_kib\n  This key is missing (Bytes that it holds, in KiB. More text)."),
        ("spare: {name: a, capacity_kib: 1.0}", "1:32  spare.capacity_kib\n  Got 1.0, expected a whole number. Write 1."),
        ("spare: {name: a, capacity_kib: '1'}", "1:32  spare.capacity_kib\n  Got '1' (a string), expected a whole number."),
        ("spare: {name: a, capacity_kib: true}", "1:32  spare.capacity_kib\n  Got true, expected a whole number."),
        ("spare: {name: a, capacity_kib: 0}", "1:32  spare.capacity_kib\n  Got 0, expected more than 0."),
        ("spare: {name: a, capacity_kib: 1, bandwidth: .nan}", "1:46  spare.bandwidth\n  Got nan, expected a finite number."),
        ("spare: {name: a, capacity_kib: 1, bandwidth: -.inf}", "1:46  spare.bandwidth\n  Got -inf, expected a finite number."),
        ("spare: {name: no, capacity_kib: 1, bandwidth: off}", "1:47  spare.bandwidth\n  Got 'off' (a string), expected a number."),
        ("spare: {name: 5, capacity_kib: 1}", "1:15  spare.name\n  Got 5, expected a string."),
        ("spare: 5", "1:8  spare\n  Got 5, expected a mapping."),
        ("by_name: {x: {name: a}}", "1:11  by_name.x.capacity_kib\n  This key is missing (Bytes that it holds, in KiB. More text)."),
        ("memories: {a: 1}", "1:1  memories\n  Got a mapping, expected a list."),
        ("memories: null", "1:11  memories\n  Got null, expected a list."),
        ("cores: 65", "1:8  cores\n  Got 65, expected at most 64."),
        ("cores: [1]", "1:1  cores\n  Got a list of 1 entry, expected a whole number."),
        ("pair: yes", "1:7  pair\n  Got 'yes' (a string), expected true or false."),
        ("dataflow: output_stationery", "1:11  dataflow\n  Got 'output_stationery' (a string), expected one of 'weight_stationary' or 'output_stationary'. Did you mean output_stationary?"),
        ("latencies: {a: 1}", "1:16  latencies.a\n  Got 'a' (a string), expected a whole number."),
        ("latencies: {8: x}", "1:16  latencies.8\n  Got 'x' (a string), expected a whole number."),
        ("layers: [{kind: conv}]", "1:17  layers[0].kind\n  Unknown kind 'conv'. Did you mean conv2d? Known: conv2d, linear."),
        ("layers: [{features: 2}]", "1:10  layers[0].kind\n  This key is missing; it says what the rest describes."),
        ("layers: [{kind: conv2d, conv2d: x}]", "1:33  layers[0].conv2d\n  Got 'x' (a string), expected a whole number."),
        ("layers: [{kind: conv2d, conv2: 1}]", "1:25  layers[0].conv2\n  Unknown key. Did you mean conv2d?"),
        ("layers: [{kind: conv2d, kernel: [1]}]", "1:25  layers[0].kernel\n  The list has too few entries: [1] is missing."),
        ("layers: [{kind: conv2d, kernel: [1, 2, 3]}]", "1:25  layers[0].kernel\n  Got a list of 3 entries, expected at most 2 entries."),
        ("layers: [{kind: conv2d, kernel: [1, x]}]", "1:37  layers[0].kernel[1]\n  Got 'x' (a string), expected a whole number."),
        ("format: 5", "1:9  format\n  Got 5, expected a string or a mapping."),
        ("format: {exponent_bits: 4, mantissa_bit: 3, mantissa_bits: 3}", "1:28  format.mantissa_bit\n  Unknown key. Did you mean mantissa_bits?"),
        ("format: {exponent_bits: 4, mantissa_bits: []}", "1:28  format.mantissa_bits\n  Got a list of 0 entries, expected a whole number or a string."),
        ("cores: 13", "1:1\n  Thirteen cores make no ring."),
    ],
)  # fmt: skip
def test_each_problem_says_where_what_and_what_would_work(
    problems_of: Callable[..., list[str]], text: str, problem: str
) -> None:
    assert problems_of(f"{text}\nname: c\n") == [f"chip.yaml:{problem}"]


def test_all_problems_are_reported_together_in_the_order_of_the_file(
    problems_of: Callable[..., list[str]],
) -> None:
    text = "cores: 0\nlayers:\n- kind: linear\n  features: x\nnmae: c\n"
    assert problems_of(text, overrides=[("dataflow", "x"), ("a..b", "1"), ("cores.x", "1")]) == [
        "--set dataflow=x  dataflow\n  Got 'x' (a string), expected one of 'weight_stationary' or"
        " 'output_stationary'.",
        "chip.yaml:1:1  name\n  This key is missing.",
        "chip.yaml:1:8  cores\n  Got 0, expected at least 1.",
        "chip.yaml:4:13  layers[0].features\n  Got 'x' (a string), expected a whole number.",
        "chip.yaml:5:1  nmae\n  Unknown key. Did you mean name?",
        "--set a..b=1\n  The key must look like memories[1].capacity_kib.",
        "--set cores.x=1  cores.x\n  cores is 0, which has nothing inside it.",
    ]


def test_problems_of_a_validator_get_their_own_lines(
    problems_of: Callable[..., list[str]],
) -> None:
    text = "name: c\ncores: 14\nmemories:\n- name: a\n  capacity_kib: 3\n"
    assert problems_of(text) == [
        "chip.yaml:1:1  dataflow\n  And for this dataflow.",
        "chip.yaml:5:17  memories[0].capacity_kib\n  Too small for fourteen cores.",
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), ("[1]", "holds a list"), ("5", "holds a int")]
)
def test_a_file_that_is_no_mapping_is_refused(
    problems_of: Callable[..., list[str]], text: str, said: str
) -> None:
    assert problems_of(text) == [
        f"chip.yaml:1:1\n  The file {said}; expected a mapping of keys to values."
    ]


# --- base and overrides ----------------------------------------------------------------------


def test_a_file_is_laid_over_its_base(load: Callable[..., Chip], tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.yaml").write_text(
        "name: base\ncores: 4\nspare: {name: s, capacity_kib: 1, bandwidth: 2}\n"
        "memories: [{name: a, capacity_kib: 1}, {name: b, capacity_kib: 2}]\n"
    )
    chip = load(
        "base: parts/base.yaml\nname: top\nspare: {capacity_kib: 9}\n"
        "memories: [{name: c, capacity_kib: 3}]\n"
    )
    assert chip == Chip(
        name="top",
        cores=4,
        spare=Memory(name="s", capacity_kib=9, bandwidth=2.0),
        memories=(Memory(name="c", capacity_kib=3),),
    )


def test_mappings_of_another_kind_are_replaced() -> None:
    base, top = parse_yaml("x: {kind: a, p: 1}").root, parse_yaml("x: {kind: b}").root
    assert config.merge(base, top).data() == {"x": {"kind": "b"}}


def test_a_problem_in_the_base_is_placed_in_the_base(
    problems_of: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text("name: base\ncores: zero\n")
    assert problems_of("base: base.yaml\npairs: true\n") == [
        "base.yaml:2:8  cores\n  Got 'zero' (a string), expected a whole number.",
        "chip.yaml:2:1  pairs\n  Unknown key. Did you mean pair?",
    ]


def test_a_base_has_no_base(problems_of: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: b\nbase: chip.yaml\n")
    assert problems_of("base: base.yaml") == [
        "base.yaml:2:7  base\n  A base cannot have a base: only one level is followed."
    ]


def test_a_missing_base_is_named(problems_of: Callable[..., list[str]]) -> None:
    (problem,) = problems_of("base: nothing.yaml\nname: c")
    assert problem == (
        "chip.yaml:1:7  base\n  The base cannot be used.\n"
        "  nothing.yaml\n    The file cannot be read: No such file or directory."
    )


def test_a_base_is_looked_up_by_name_where_no_file_has_it(
    load: Callable[..., Chip], tmp_path: Path
) -> None:
    (tmp_path / "shipped.yaml").write_text("name: shipped")
    chip = load("base: fp8\ncores: 2", base_lookup=lambda name: tmp_path / "shipped.yaml")
    assert (chip.name, chip.cores) == ("shipped", 2)


def test_overrides_reach_into_lists_and_make_mappings(load: Callable[..., Chip]) -> None:
    chip = load(
        "name: c\nmemories: [{name: a, capacity_kib: 1}, {name: b, capacity_kib: 1}]",
        overrides=[
            ("memories[1].capacity_kib", "0x10"),
            ("spare.name", "s"),
            ("spare.capacity_kib", "2"),
            ("layers", "[{kind: linear, features: 1e1}]"),
            ("layers[0].features", "3"),
        ],
    )
    assert chip.memories[1].capacity_kib == 16
    assert chip.spare == Memory(name="s", capacity_kib=2)
    assert chip.layers == (Linear(features=3),)


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("cores", "0", "--set arch.cores=0  cores\n  Got 0, expected at least 1."),
        ("coers", "2", "--set arch.coers=2  coers\n  Unknown key. Did you mean cores?"),
        ("cores", "{a: 1, a: 2}", "--set arch.cores={a: 1, a: 2}  cores\n  The key a is here a second time: on line 1 and on line 1. Remove one of them."),
        ("memories[3]", "1", "--set arch.memories[3]=1  memories[3]\n  memories is a list of 1 entry, counted from 0."),
        ("memories.a", "1", "--set arch.memories.a=1  memories.a\n  memories is a list of 1 entry, counted from 0."),
        ("memories[0][1]", "1", "--set arch.memories[0][1]=1  memories[0][1]\n  memories[0] is a mapping, not a list: use a key, not an index."),
        ("name.x", "1", "--set arch.name.x=1  name.x\n  name is 'c', which has nothing inside it."),
        ("", "1", "--set arch.=1\n  The key must look like memories[1].capacity_kib."),
        (".a", "1", "--set arch..a=1\n  The key must look like memories[1].capacity_kib."),
        ("a[x]", "1", "--set arch.a[x]=1\n  The key must look like memories[1].capacity_kib."),
        ("a[0]b", "1", "--set arch.a[0]b=1\n  The key must look like memories[1].capacity_kib."),
    ],
)  # fmt: skip
def test_a_problem_of_an_override_names_the_option(
    problems_of: Callable[..., list[str]], key: str, text: str, problem: str
) -> None:
    file = "name: c\nmemories: [{name: a, capacity_kib: 1}]"
    assert problems_of(file, overrides=[(key, text)], flag="--set arch.") == [problem]


def test_a_path_of_a_thousand_steps_is_refused(problems_of: Callable[..., list[str]]) -> None:
    (problem,) = problems_of("name: c", overrides=[(".".join("a" * 5000), "1")])
    assert problem.endswith("The key must look like memories[1].capacity_kib.")


# --- writing ---------------------------------------------------------------------------------


def test_models_tuples_and_enums_are_dumped_plainly() -> None:
    chip = Chip(name="c", memories=(Memory(name="a", capacity_kib=2),))
    assert dump_yaml({"chip": chip, "where": Path("x/y"), "size": (1, 2)}) == (
        "chip:\n  name: c\n  cores: 1\n  dataflow: weight_stationary\n  memories:\n"
        "  - name: a\n    capacity_kib: 2\n    bandwidth: 1.0\n  layers: []\n  format: fp8\n"
        "  latencies: {}\n  by_name: {}\n  spare: null\n  pair: null\n"
        "where: x/y\nsize:\n- 1\n- 2\n"
    )


def test_the_schema_accepts_what_the_loader_accepts(load: Callable[..., Chip]) -> None:
    schema = json_schema(Chip)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    text = "name: c\nmemories: [{name: a, capacity_kib: 1}]\n"
    load(text)
    assert validator.is_valid(parse_yaml(text).data)
    assert validator.is_valid({"base": "other.yaml"})
    assert not validator.is_valid({"cores": 1})
    assert not validator.is_valid({"name": "c", "coers": 1})
    assert schema["$defs"]["Memory"]["properties"]["capacity_kib"]["description"].startswith(
        "Bytes"
    )
    json.dumps(schema)
