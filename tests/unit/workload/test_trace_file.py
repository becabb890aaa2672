"""Traces in files: what is written is read back, and nothing else is accepted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accelsim.errors import DataError, OutputError
from accelsim.formats import get_format
from accelsim.precision import get_recipe, list_recipes
from accelsim.workload import Trace, Workload, load_trace, load_workload, lower
from accelsim.workload import trace_file as module


def tiny(recipe: str = "wang2018") -> Trace:
    return lower(load_workload("tiny"), get_recipe(recipe))


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
@pytest.mark.parametrize("recipe", list_recipes())
def test_a_trace_is_read_back_as_it_was(tmp_path: Path, recipe: str, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    tiny(recipe).save(path)
    assert load_trace(path) == tiny(recipe)


def test_same_trace_same_bytes(tmp_path: Path) -> None:
    for name in ("a.json.gz", "b.json.gz"):
        tiny().save(tmp_path / name)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_a_users_own_format_survives_under_its_systematic_name(tmp_path: Path) -> None:
    mine = get_format({"name": "mine", "exponent_bits": 4, "mantissa_bits": 2})
    recipe = get_recipe("wang2018")
    operands = recipe.operands.model_copy(update={"activation": mine})
    trace = lower(load_workload("tiny"), recipe.model_copy(update={"operands": operands}))
    trace.save(tmp_path / "t.json")
    read = load_trace(tmp_path / "t.json").gemms[0].a.format
    assert replace(read, name="mine") == replace(mine, source=read.source)


def test_an_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        tiny().save(tmp_path / "missing" / "t.json")


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tiny().save(Path(folder, "t.json"))
        document = json.loads(Path(folder, "t.json").read_text(encoding="utf-8"))
    change(document)
    return json.dumps(document)


def test_views_of_heads_are_the_same_when_read_back(tmp_path: Path) -> None:
    net = Workload.model_validate(
        {
            "name": "net",
            "inputs": {"q": {"shape": (3, 8)}, "kv": {"shape": (5, 4)}},
            "layers": (
                {
                    "name": "a",
                    "kind": "attention",
                    "heads": 4,
                    "kv_heads": 2,
                    "inputs": ("q", "kv", "kv"),
                },
            ),
        }
    )
    trace = lower(net, get_recipe("wang2018"), batch=2)
    trace.save(tmp_path / "t.json")
    assert load_trace(tmp_path / "t.json") == trace
    document = json.loads((tmp_path / "t.json").read_text())
    views = [op["a"]["view"] for op in document["ops"] if op["kind"] == "gemm"]
    views[0]["repeats"] = 3  # no divisor of 4 heads
    (tmp_path / "t.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"its view of a"):
        load_trace(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema="accelsim.trace/2"), "schema"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d["ops"][1].update(m=63), r"its view of a is \(1, 64, 36\), not \(1, 63, 36\)"),
        (lambda d: d["ops"][1].update(kind="conv"), "ops.1"),
        (lambda d: d["ops"].pop(0), "reads 'input:fp8_e5m2', which nothing has made before it"),
        (lambda d: d["ops"].append(d["ops"][0]), "Two ops are called 'input.store_fp8_e5m2'"),
        (lambda d: d["ops"][3].update(function="explode"), "'explode' is no vector function"),
        (lambda d: d["ops"][3].update(inputs=[]), "relu takes 1 tensors, not 0"),
        (lambda d: d["ops"][3].update(attributes={"x": 1}), "relu has no attribute 'x'"),
        (lambda d: d["ops"][3].update(outputs=["x"]), "makes 'x', which is described nowhere"),
        (lambda d: d["ops"][3].update(outputs=["conv1"]), "makes 'conv1' a second time"),
        (lambda d: d["tensors"]["input"].update(format="fp8_e5m3"), "Unknown format"),
        (lambda d: d["tensors"]["conv1.weight"].update(shape=[1, 36, 15]), "576 elements of 540"),
        (lambda d: d["tensors"]["conv1.weight"].update(format="bf16"), "is stored as bf16"),
        (lambda d: d["tensors"].pop("input"), "'input' is given but described nowhere"),
        (lambda d: d.update(outputs=["nothing"]), "The output 'nothing' is never made"),
        (lambda d: d["ops"][1].update(k=10**30), "ops.1.gemm.k"),
        (
            lambda d: d["tensors"]["conv1.bias"].update(shape=[15]),
            r"its bias .*\(15,\), not \(16,\)",
        ),
        (lambda d: d["tensors"]["relu1"].update(shape=[1, 8, 8, 17]), r"its output has the shape"),
        (lambda d: d["tensors"]["pool1"].update(shape=[1, 16]), r"not \(1, 1, 1, 16\)"),
        (
            lambda d: d["ops"][0].update(attributes={"scaling": "amax"}),
            "exactly where it is scaled",
        ),
        (lambda d: d["ops"][0].update(attributes={}), "its scaling is None, not one of none, amax"),
        (lambda d: d["ops"][0].update(elements=1), "says 1 element visits; store makes 256"),
    ],
)
def test_a_changed_trace_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    path = tmp_path / "t.json"
    path.write_text(changed(change), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_trace(path)


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    for content in (b"", b"{", b"[]", b"\xff\xfe", b"null"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is not a trace"):
            load_trace(path)
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        load_trace(tmp_path / "absent.json")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json.gz"
    tiny().save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cannot be read"):
        load_trace(path)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"cannot be read"):
        load_trace(path)


def test_a_bomb_is_refused_before_it_unfolds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TRACE_BYTES", 2**20)
    path = tmp_path / "t.json.gz"
    path.write_bytes(gzip.compress(b" " * 2**21))
    with pytest.raises(DataError, match=r"is larger than 1 MiB"):
        load_trace(path)
