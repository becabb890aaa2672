"""Inputs: what a photograph becomes, and what is said about a file that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from accelsim.errors import DataError
from accelsim.workload import inputs
from accelsim.workload.input_spec import InputKind, InputSpec
from accelsim.workload.inputs import default_image, load_input

PHOTO = InputSpec(shape=(224, 224, 3), kind=InputKind.IMAGE)
SMALL = InputSpec(shape=(32, 32, 3), kind=InputKind.IMAGE)
FEATURES = InputSpec(shape=(440,))
MAP = InputSpec(shape=(8, 6, 4))


def save_image(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_the_default_photograph_is_found_without_importing_matplotlib() -> None:
    loaded = load_input(None, PHOTO)
    assert loaded.values.shape == (1, 224, 224, 3)
    assert loaded.values.dtype == np.float32
    assert loaded.provenance == "photograph grace_hopper.jpg"
    assert default_image().parent.name == "sample_data"
    assert np.isfinite(loaded.values).all()


def test_a_grey_picture_becomes_the_normalised_grey(tmp_path: Path) -> None:
    # 128 / 255, minus ImageNet's mean, over its standard deviation, whatever is resized.
    path = save_image(tmp_path / "grey.png", np.full((300, 500, 3), 128, np.uint8))
    values = load_input(path, PHOTO).values
    for channel, (mean, std) in enumerate(
        zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ):
        np.testing.assert_allclose(values[..., channel], (128 / 255 - mean) / std, rtol=1e-6)


def test_mean_and_std_of_the_network_win(tmp_path: Path) -> None:
    path = save_image(tmp_path / "grey.png", np.full((64, 64, 3), 255, np.uint8))
    spec = InputSpec(shape=(32, 32, 3), kind=InputKind.IMAGE, mean=(0.5,) * 3, std=(0.25,) * 3)
    assert (load_input(path, spec).values == 2.0).all()


def test_a_network_of_one_channel_reads_grey_levels(tmp_path: Path) -> None:
    path = save_image(tmp_path / "white.png", np.full((40, 40, 3), 255, np.uint8))
    spec = InputSpec(shape=(28, 28, 1), kind=InputKind.IMAGE)
    values = load_input(path, spec).values
    assert values.shape == (1, 28, 28, 1)
    assert (values == 1.0).all()


def test_sixteen_bit_grey_keeps_its_upper_byte(tmp_path: Path) -> None:
    pixels = np.full((8, 8), 0x80FF, np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    loaded = load_input(tmp_path / "deep.png", InputSpec(shape=(8, 8, 1), kind=InputKind.IMAGE))
    np.testing.assert_allclose(loaded.values, 0x80 / 255, rtol=1e-6)


def test_the_crop_is_the_middle_of_the_shorter_side_at_256_of_224(tmp_path: Path) -> None:
    """A picture of 256 x 512 for a network of 224 is not resized: it loses 16 rows, 144 columns.

    Every pixel holds its row and its column, halved, so the crop can be read off.
    """
    rows, columns = np.indices((256, 512))
    pixels = np.stack([rows, columns // 2, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    path = save_image(tmp_path / "place.png", pixels)
    spec = InputSpec(shape=(224, 224, 3), kind=InputKind.IMAGE, mean=(0,) * 3, std=(1,) * 3)
    values = np.rint(load_input(path, spec).values[0] * 255).astype(int)
    np.testing.assert_array_equal(values, pixels[16:240, 144:368])


def test_a_batch_is_made_of_crops_and_the_first_is_the_middle(tmp_path: Path) -> None:
    rows, columns = np.indices((256, 256))
    pixels = np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    path = save_image(tmp_path / "place.png", pixels)
    spec = InputSpec(shape=(224, 224, 3), kind=InputKind.IMAGE, mean=(0,) * 3, std=(1,) * 3)
    values = np.rint(load_input(path, spec, batch=5, seed=3).values * 255).astype(int)
    np.testing.assert_array_equal(values[0], pixels[16:240, 16:240])
    corners = values[:, 0, 0, :2]
    for crop, (top, left) in zip(values, corners, strict=True):
        np.testing.assert_array_equal(crop, pixels[top : top + 224, left : left + 224])
    assert len({tuple(corner) for corner in corners}) > 1
    again = load_input(path, spec, batch=5, seed=3).values
    other = load_input(path, spec, batch=5, seed=4).values
    np.testing.assert_array_equal(np.rint(again * 255), values)
    assert (np.rint(other * 255) != values).any()


def test_a_picture_smaller_than_the_network_is_enlarged(tmp_path: Path) -> None:
    path = save_image(tmp_path / "small.png", np.zeros((10, 20, 3), np.uint8))
    assert load_input(path, PHOTO, batch=2).values.shape == (2, 224, 224, 3)


def test_distributions_are_seeded_and_have_their_moments() -> None:
    normal = load_input("normal", FEATURES, batch=500, seed=1)
    assert normal.values.shape == (500, 440)
    assert normal.provenance == "normal distribution, seed 1"
    # 220,000 numbers: the mean is within 5 standard errors of 0, the deviation of 1.
    assert abs(float(normal.values.mean())) < 5 / np.sqrt(220_000)
    assert abs(float(normal.values.std()) - 1) < 5 / np.sqrt(2 * 220_000)
    uniform = load_input("uniform", FEATURES, batch=10).values
    assert uniform.min() >= 0
    assert uniform.max() < 1
    np.testing.assert_array_equal(
        normal.values, load_input("normal", FEATURES, batch=500, seed=1).values
    )
    assert (normal.values != load_input("normal", FEATURES, batch=500, seed=2).values).any()


def test_features_are_drawn_from_the_normal_distribution_by_default() -> None:
    assert load_input(None, FEATURES, seed=7).provenance == "normal distribution, seed 7"


def test_arrays_are_read_with_and_without_the_batch_axis(tmp_path: Path) -> None:
    x = np.arange(3 * 8 * 6 * 4, dtype=np.float64).reshape(3, 8, 6, 4)
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(load_input(tmp_path / "x.npy", MAP, batch=2).values, x[:2])
    np.save(tmp_path / "one.npy", x[0])
    np.testing.assert_array_equal(load_input(tmp_path / "one.npy", MAP).values[0], x[0])
    np.savez(tmp_path / "x.npz", labels=np.zeros(3), input=x)
    np.testing.assert_array_equal(load_input(str(tmp_path / "x.npz"), MAP, batch=3).values, x)
    np.savez(tmp_path / "only.npz", anything=x.astype(np.int32))
    np.testing.assert_array_equal(load_input(tmp_path / "only.npz", MAP, batch=3).values, x)


# -- what goes wrong -----------------------------------------------------------------------


def corrupt_jpeg(path: Path) -> Path:
    path = save_image(path / "cut.jpg", np.zeros((300, 300, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:500])
    return path


def saved(name: str, array: np.ndarray) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with (folder / name).open("wb") as file:
            np.save(file, array, allow_pickle=True)
        return folder / name

    return write


def two_arrays(folder: Path) -> Path:
    np.savez(folder / "two.npz", a=np.zeros(3), b=np.zeros(3))
    return folder / "two.npz"


def huge_header(folder: Path) -> Path:
    """Write a header that claims 2**50 numbers, and no data."""
    with (folder / "huge.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (2**50,)}
        np.lib.format.write_array_header_1_0(file, header)
    return folder / "huge.npy"


def text_as(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text("not what the name says")
        return folder / name

    return write


BAD_FILES = (
    (lambda f: f / "no.png", SMALL, r"^There is no file .*no\.png\. Give the path of a PNG or"),
    (lambda f: f, SMALL, r"^'.*' is no input: give a file that ends in one of \.png, \.jpg"),
    (lambda f: "gaussian", SMALL, r"^'gaussian' is no input: .*: normal, uniform\.$"),
    (corrupt_jpeg, SMALL, r"^.*cut\.jpg is not a readable PNG or JPEG image \(.*\)\. Save it"),
    (text_as("text.png"), SMALL, r"^.*text\.png is not a readable PNG or JPEG image"),
    (text_as("text.npy"), MAP, r"^.*text\.npy cannot be read \(.*\)\. Write it with numpy\.save,"),
    (text_as("text.npz"), MAP, r"^.*text\.npz cannot be read \(.*\)\. Write it with numpy\.savez"),
    (saved("o.npy", np.array([{}])), MAP, r"^.*o\.npy cannot be read \(.*\)\. Write it with"),
    (saved("c.npy", np.zeros((8, 6, 4), complex)), MAP, r"^.*c\.npy: its array holds complex128;"),
    (saved("n.npy", np.full((2, 8, 6, 4), np.nan)), MAP, r"^.*n\.npy: 384 of 384 numbers are"),
    (saved("big.npy", np.full((2, 8, 6, 4), 1e300)), MAP, r"^.*big\.npy: 384 of 384 numbers"),
    (saved("s.npy", np.zeros((8, 6, 3))), MAP,
     r"^.*s\.npy holds an array of shape \(8, 6, 3\); the network reads \(batch, 8, 6, 4\)\.$"),
    (saved("chw.npy", np.zeros((4, 8, 6))), MAP, r"^.* Channels come last here: numpy\.moveaxis"),
    (saved("few.npy", np.zeros((1, 8, 6, 4))), MAP, r"^.*few\.npy holds 1 samples, fewer than"),
    (two_arrays, MAP, r"^.*two\.npz holds 2 arrays \(a, b\); name one of them 'input'"),
    (huge_header, MAP, r"^.*huge\.npy (cannot be read|holds [0-9,]+ bytes)"),
    (lambda f: save_image(f / "p.png", np.zeros((9, 9), np.uint8)), FEATURES,
     r"^.*p\.png is a picture, and the network reads numbers of shape \(440,\);"),
)  # fmt: skip


@pytest.mark.parametrize(("make", "spec", "message"), BAD_FILES)
def test_a_bad_input_is_named_with_what_would_work(
    tmp_path: Path, make: Callable[[Path], Path | str], spec: InputSpec, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_input(make(tmp_path), spec, batch=2)


def test_a_folder_and_a_name_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(DataError, match=r"^.*folder\.png is a folder\. Give the path of a PNG"):
        load_input(folder, SMALL)
    with pytest.raises(DataError, match=r"^.*x\.npy cannot be looked at \(File name too long\)\.$"):
        load_input(tmp_path / ("x" * 5000 + ".npy"), MAP)
    with pytest.raises(DataError, match=r"^There is no file "):
        load_input("nul\0byte.npy", MAP)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(tmp_path / "bomb.png", np.zeros((100, 100), np.uint8))
    for limit in (9_999, 4_999):  # just beyond the limit Pillow warns, at twice it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"^.*bomb\.png claims more than [0-9,]+ pixels and"):
            load_input(path, SMALL)


def test_arrays_beyond_the_bound_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelsim.workload.arrays.MAX_BYTES", 1000)
    np.save(tmp_path / "x.npy", np.zeros((8, 6, 4)))
    np.savez_compressed(tmp_path / "x.npz", np.zeros((8, 6, 4)))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(DataError, match=r"holds 1,[0-9]+ bytes of data; at most 1,000 are"):
            load_input(tmp_path / name, MAP)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"^The batch is 0; it must be at least 1\.$"):
        load_input("normal", FEATURES, batch=0)


def test_without_matplotlib_the_error_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "installed_folder", lambda _name: None)
    with pytest.raises(DataError, match=r"^matplotlib's sample photograph, the default input, is"):
        load_input(None, PHOTO)


def test_reading_an_image_imports_no_plotting() -> None:
    import subprocess

    code = (
        "import sys; from accelsim.workload.inputs import load_input;"
        "from accelsim.workload.input_spec import InputSpec, InputKind;"
        "load_input(None, InputSpec(shape=(32, 32, 3), kind=InputKind.IMAGE));"
        "assert not {'matplotlib', 'numba', 'plotly'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
