"""Labelled photographs, and others to calibrate on, from packages that are installed.

The labelled ones are the 20 ImageNet samples of foolbox, whose file names say the class.
Every one is seen in ten views: the middle, and nine smaller sections with and without
mirroring. Calibration looks at sections of the photographs of matplotlib and
scikit-learn, which are none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.inference.packages import package_folder

#: Side of a view in pixels, and the share of the shorter side of the photograph it covers.
SIDE = 224
_WHOLE, _PART = 0.875, 0.75
_PLACES = (0.0, 0.5, 1.0)

Pixels = NDArray[np.uint8]


def labelled_photographs(side: int = SIDE) -> tuple[Pixels, NDArray[np.int64]]:
    """Return views of the ImageNet samples and their classes.

    Returns
    -------
    uint8 array (views, side, side, 3), int64 array (views,)
        First the middle of every photograph, then one further view of each, and so on.

    Raises
    ------
    DataError
        If foolbox or its samples are not installed.
    """
    files = sorted(package_folder("foolbox", "--no-deps foolbox").glob("data/imagenet_*_*.jpg"))
    if not files:
        raise DataError("The installed foolbox has no ImageNet samples in its data folder.")
    labels = [int(file.stem.rpartition("_")[2]) for file in files]
    views = [list(_views(_open(file), side)) for file in files]
    ordered = [view for together in zip(*views, strict=True) for view in together]
    return np.stack(ordered), np.array(labels * len(views[0]), dtype=np.int64)


def calibration_photographs(side: int = SIDE) -> Pixels:
    """Return views of photographs that are not among the labelled ones, uint8.

    Raises
    ------
    DataError
        If matplotlib or scikit-learn is not installed.
    """
    folders = (
        package_folder("matplotlib", "matplotlib") / "mpl-data" / "sample_data",
        package_folder("sklearn", "scikit-learn") / "datasets" / "images",
    )
    files = [file for folder in folders for file in sorted(folder.glob("*.jpg"))]
    if not files:
        raise DataError("The installed matplotlib and scikit-learn have no photographs.")
    views = [list(_views(_open(file), side)) for file in files]
    return np.stack([view for together in zip(*views, strict=True) for view in together])


def _open(file: Path) -> Any:
    from PIL import Image

    with Image.open(file) as image:
        return image.convert("RGB")


def _views(image: Any, side: int) -> Iterator[Pixels]:
    """Yield ten views: the middle, then a grid of sections, every other one mirrored."""
    from PIL import Image

    shorter = min(image.size)
    sections = [(_WHOLE, 0.5, 0.5), *((_PART, x, y) for y in _PLACES for x in _PLACES)]
    for index, (share, x, y) in enumerate(sections):
        edge = round(share * shorter)
        left = round(x * (image.width - edge))
        top = round(y * (image.height - edge))
        box = (left, top, left + edge, top + edge)
        pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box))
        yield pixels[:, ::-1] if index % 2 else pixels
