"""Weights from files: what is taken, and that every problem is reported at once."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from accelsim.errors import DataError
from accelsim.workload.network import Workload, load_workload
from accelsim.workload.ops import Role
from accelsim.workload.parameters import Initial, ParameterSpec
from accelsim.workload.weights import load_weights

TINY = load_workload("tiny")


def contents(workload: Workload = TINY) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=spec.shape).astype(np.float32)
        for name, spec in workload.parameters.items()
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_weights_are_read_by_name_in_the_files_precision(tmp_path: Path, suffix: str) -> None:
    given = contents()
    path = tmp_path / f"w{suffix}"
    if suffix == ".npz":
        np.savez(path, **given)
    else:
        save_file(given, path)
    weights = load_weights(path, TINY.parameters)
    assert weights.trained
    assert weights.provenance == f"weights from w{suffix}"
    assert set(weights.arrays) == set(given)
    for name, values in given.items():
        np.testing.assert_array_equal(weights.arrays[name], values)
        assert weights.arrays[name].dtype == np.float32


def test_half_precision_is_widened_and_what_pytorch_counts_is_ignored(tmp_path: Path) -> None:
    given = {name: x.astype(np.float16) for name, x in contents().items()}
    extra = {"bn.num_batches_tracked": np.array(7)}
    np.savez(tmp_path / "w.npz", **given, **extra)
    weights = load_weights(tmp_path / "w.npz", TINY.parameters)
    assert "bn.num_batches_tracked" not in weights.arrays
    assert weights.arrays["fc.weight"].dtype == np.float32
    np.testing.assert_array_equal(weights.arrays["fc.weight"], given["fc.weight"])


def test_bfloat16_in_safetensors_is_widened_exactly(tmp_path: Path) -> None:
    import ml_dtypes

    given = {name: x.astype(ml_dtypes.bfloat16) for name, x in contents().items()}
    save_file(given, tmp_path / "w.safetensors")
    weights = load_weights(tmp_path / "w.safetensors", TINY.parameters)
    for name, values in given.items():
        np.testing.assert_array_equal(weights.arrays[name], values.astype(np.float32))


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    given = contents()
    given["conv1.wieght"] = given.pop("conv1.weight")
    given["fc.weight"] = given["fc.weight"].T
    given["fc.bias"] = np.full(10, np.nan)
    np.savez(tmp_path / "w.npz", **given)
    with pytest.raises(DataError) as caught:
        load_weights(tmp_path / "w.npz", TINY.parameters)
    assert str(caught.value).splitlines()[1:] == [
        "  conv1.weight is missing; its shape is (16, 4, 3, 3). Did you mean conv1.wieght?",
        "  conv1.wieght is no parameter of the network.",
        "  fc.weight has shape (16, 10); (10, 16) is needed.",
        "  fc.bias has 10 NaN or infinite numbers of 10.",
    ]
    assert str(caught.value).startswith(f"{tmp_path / 'w.npz'} does not fit the network (4 problem")


def test_a_negative_variance_is_refused(tmp_path: Path) -> None:
    spec = ParameterSpec("running_var", (2,), Role.PARAMETER, Initial.ONE)
    np.savez(tmp_path / "w.npz", **{"bn.running_var": np.array([1.0, -0.5])})
    with pytest.raises(DataError, match=r"bn\.running_var has a negative variance, -0\.5\.$"):
        load_weights(tmp_path / "w.npz", {"bn.running_var": spec})


def test_a_long_list_of_problems_is_cut_and_counted(tmp_path: Path) -> None:
    specs = {
        f"layer{i}.weight": ParameterSpec("weight", (1,), Role.WEIGHT, Initial.ZERO)
        for i in range(50)
    }
    np.savez(tmp_path / "w.npz", other=np.zeros(1))
    with pytest.raises(DataError, match=r"\(51 problems\)(.|\n)*\.\.\. and 31 more\.$"):
        load_weights(tmp_path / "w.npz", specs)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "w.bin",
            r"^.*w\.bin is no weight file: its name must end in one of: \.npz, \.safetensors, ",
        ),
        ("w.npz", r"^.*w\.npz cannot be read \(.*\)\. Write it with numpy\.savez,"),
        ("w.safetensors", r"^.*w\.safetensors cannot be read \(.*\)\. Write it with safetensors"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"not weights, but long enough to be looked at")
    with pytest.raises(DataError, match=message):
        load_weights(tmp_path / name, TINY.parameters)


@pytest.mark.parametrize("name", ["none.npz", "none.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"^There is no file .*none\."):
        load_weights(tmp_path / name, TINY.parameters)


def test_pickles_and_words_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"^.*p\.npz cannot be read \(Object arrays cannot"):
        load_weights(tmp_path / "p.npz", TINY.parameters)
    np.savez(tmp_path / "w.npz", a=np.array(["word"]))
    with pytest.raises(DataError, match=r"^.*w\.npz: 'a' holds <U4; real numbers are needed\.$"):
        load_weights(tmp_path / "w.npz", TINY.parameters)


def test_archives_that_lie_are_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**14,), }"
    claims = b"\x93NUMPY\x01\x00v\x00" + header.replace(b"10**14", b"100000000000000").ljust(117)
    for content, message in (
        (claims + b"\n", r"w\.npz cannot be read \("),
        (b"no array", r"w\.npz: 'a' is no array"),
    ):
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(DataError, match=message):
            load_weights(tmp_path / "w.npz", TINY.parameters)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.zeros(1))
    content = bytearray((tmp_path / "w.npz").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1  # the bit that says: encrypted
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"w\.npz cannot be read \(.*encrypted"):
        load_weights(tmp_path / "w.npz", TINY.parameters)


def test_a_state_dict_runs_no_code_and_does_not_say_how(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"conv1.weight": Code()}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds more than tensors") as caught:
        load_weights(tmp_path / "w.pth", TINY.parameters)
    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["seen again and again", "sparse", "float8", "meta"])
def test_tensors_that_are_no_dense_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = {
        "seen again and again": lambda: torch.zeros(1, dtype=torch.int8).expand(10**12),
        "sparse": lambda: torch.eye(4).to_sparse(),
        "float8": lambda: torch.zeros(4).to(torch.float8_e4m3fn),
        "meta": lambda: torch.zeros(4, device="meta"),
    }[kind]()
    torch.save({"conv1.weight": tensor}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"'conv1\.weight' (is|has)"):
        load_weights(tmp_path / "w.pth", TINY.parameters)


def test_an_archive_that_claims_far_more_than_the_network_has_is_refused_unread(
    tmp_path: Path,
) -> None:
    given = {**contents(), "other": np.zeros(2**22)}  # 32 MiB that deflate to some kilobytes
    path = tmp_path / "w.npz"
    np.savez_compressed(path, **given)
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match=r"w\.npz holds [0-9,]+ bytes of data; at most [0-9,]+ are"):
        load_weights(path, TINY.parameters)
