"""SCALE-Sim topology files: both kinds, their quirks, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from accelsim.errors import ConfigError
from accelsim.precision import get_recipe
from accelsim.workload import load_workload, lower, prepare_parameter

CONV = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
    "Strides,\n"
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "net.csv"
    path.write_text(text, encoding="utf-8")
    return path


def extents(path: Path, batch: int = 1) -> list[tuple[str, int, int, int]]:
    trace = lower(load_workload(path), get_recipe("fp32"), batch=batch)
    return [(op.layer, op.m, op.n, op.k) for op in trace.gemms]


def test_convolutions_need_not_chain(tmp_path: Path) -> None:
    # Windows: (58 - 3) / 1 + 1 = 56 and (9 - 1) / 2 + 1 = 5.
    path = write(tmp_path, CONV + "a, 58, 58, 3, 3, 64, 32, 1,\nb, 9, 9, 1, 1, 7, 5, 2,\n")
    assert extents(path) == [("a", 56 * 56, 32, 9 * 64), ("b", 25, 5, 7)]


def test_windows_are_rounded_up_as_scale_sim_does(tmp_path: Path) -> None:
    # Its formula: ceil((224 - 7 + 2) / 2) = 110, where the floor would be 109.
    path = write(tmp_path, CONV + "Conv1,224,224,7,7,3,64,2,\n")
    assert extents(path) == [("Conv1", 110 * 110, 64, 147)]


def test_gemms_are_told_by_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, "Layer,M,N,K,\nqkv,128,1536,512,\n\n,,,,\nout,128,512,512\n")
    assert extents(path) == [("qkv", 128, 1536, 512), ("out", 128, 512, 512)]
    assert extents(path, batch=2)[0] == ("qkv", 256, 1536, 512)


def test_quirks_of_real_files_are_tolerated(tmp_path: Path) -> None:
    # A second stride, a column without a name, sparsity 1:1, blank rows, repeated names.
    header = CONV.replace("Strides,", "Strides,, Target")
    rows = (
        "c 1, 97, 96, 3, 3, 3, 8, 2, 3,\n\n"
        "c 1,5,5,3,3,4,6,1, NPU\n"
        "3d,5,5,3,3,4,6,1,1:1,\n,,,\n"
    )  # fmt: skip
    assert extents(write(tmp_path, header + rows)) == [
        ("c_1", 48 * 32, 8, 27),
        ("c_1_2", 9, 6, 36),
        ("_3d", 9, 6, 36),
    ]


def test_an_imported_file_can_be_given_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "Layer,M,N,K,\na,3,4,5,\nb,6,7,8,\n")
    network = load_workload(path)
    assert network.parameters["b.input.value"].shape == (6, 8)
    assert network.parameter_count == 20 + 56
    trace = lower(network, get_recipe("fp32"), batch=2)
    value = np.arange(48.0).reshape(6, 8)
    left = next(p for p in trace.parameters if p.tensor == "b.input")
    made = prepare_parameter(left, {"b.input.value": value})
    np.testing.assert_array_equal(made, np.stack([value, value]))
    assert trace.tensors["b.input"].shape == made.shape


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"The topology has no layers"),
        (CONV, r"The topology has no layers"),
        ("a,b\n1,2\n", r"net\.csv:1\n  The first row is no header of a topology"),
        (CONV + "\na,8,8,3,3,x,4,1,\n", r"net\.csv:3\n  Channels of 'a' is 'x'; it must be a posi"),
        (CONV + "a,8,8,3,3,4,0,1,\n", r"Num Filter of 'a' is '0'"),
        (CONV + "a,8,8,3,3,4,4,1,2:4\n", r"sparsity 2:4, which is not modelled"),
        (CONV + "a,8,8\n", r"Strides of 'a' is ''"),
        ("Layer,M,N,K\na,1,99999999999,1\n", r"N of 'a' is '99999999999'"),
    ],
)
def test_bad_files_are_refused_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_workload(write(tmp_path, text))


def test_all_bad_rows_are_reported_together(tmp_path: Path) -> None:
    path = write(tmp_path, "Layer,M,N,K\na,0,1,1\nb,1,-1,1\n")
    with pytest.raises(ConfigError) as caught:
        load_workload(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        load_workload(tmp_path / "absent.csv")
    (tmp_path / "net.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"not UTF-8"):
        load_workload(tmp_path / "net.csv")


def test_overrides_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "Layer,M,N,K\na,1,1,1\n")
    with pytest.raises(ConfigError, match=r"no fields that could be overridden"):
        load_workload(path, overrides=[("name", "x")])
