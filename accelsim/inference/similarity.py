"""Similarity: a network turns texts into vectors, whose angles people have judged.

References
----------
M. D. Lee et al., "An empirical evaluation of models of text document similarity", CogSci
2005: 50 documents, every pair rated. F. Hill et al., "SimLex-999", Computational
Linguistics 41(4), 2015: 999 pairs of words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.inference.packages import package_folder
from accelsim.inference.task import InferenceTask, Outputs, Part

Float64Array = NDArray[np.float64]
Pairs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RatedPairs:
    """Texts, pairs of them, and how similar people found each pair.

    Parameters
    ----------
    name, provenance : str
    texts : tuple of str
    pairs : int64 array (pairs, 2)
        Places in `texts`.
    ratings : float64 array (pairs,)
        Larger is more alike.
    statistic : str
        ``pearson`` or ``spearman``: the correlation that is usual for these data.
    """

    name: str
    provenance: str
    texts: tuple[str, ...]
    pairs: Pairs
    ratings: Float64Array
    statistic: str

    def first(self, count: int | None) -> RatedPairs:
        """Return what is there of the first `count` texts, or all where it is None."""
        if count is None or count >= len(self.texts):
            return self
        kept = (self.pairs < count).all(axis=1)
        return RatedPairs(
            self.name, self.provenance, self.texts[:count], self.pairs[kept], self.ratings[kept],
            self.statistic,
        )  # fmt: skip


def lee_documents() -> RatedPairs:
    """Return the 50 documents of Lee et al. and the ratings of all 1,225 pairs.

    Raises
    ------
    DataError
        If gensim or its test data are not installed.
    """
    folder = _gensim_data()
    texts = tuple(_lines(folder / "lee.cor"))
    rows = [line.split() for line in _lines(folder / "similarities0-1.txt")]
    matrix = np.array(rows, dtype=np.float64)
    if matrix.shape != (len(texts), len(texts)):
        raise DataError(f"{folder}: {len(texts)} documents have {matrix.shape} ratings.")
    first, second = np.triu_indices(len(texts), k=1)
    return RatedPairs(
        "lee", "Lee et al. 2005, from the package gensim", texts,
        np.stack([first, second], axis=1), matrix[first, second], "pearson",
    )  # fmt: skip


def lee_background() -> tuple[str, ...]:
    """Return further documents of the same kind, to calibrate on.

    Raises
    ------
    DataError
        If gensim or its test data are not installed.
    """
    return tuple(_lines(_gensim_data() / "lee_background.cor"))


def simlex_words() -> RatedPairs:
    """Return the words of SimLex-999 and the ratings of its pairs.

    Raises
    ------
    DataError
        If gensim or its test data are not installed.
    """
    rows = [line.split("\t") for line in _lines(_gensim_data() / "simlex999.txt")]
    rows = [row for row in rows if len(row) == 3 and not row[0].startswith("#")]
    texts = tuple(dict.fromkeys(word for row in rows for word in row[:2]))
    place = {word: index for index, word in enumerate(texts)}
    return RatedPairs(
        "simlex", "SimLex-999 (Hill et al. 2015), from the package gensim", texts,
        np.array([[place[first], place[second]] for first, second, _ in rows]),
        np.array([float(rating) for *_, rating in rows]), "spearman",
    )  # fmt: skip


def similarity_task(
    name: str,
    weights: Mapping[str, NDArray[Any]],
    rated: RatedPairs,
    *,
    parts: Sequence[Part],
    places: Sequence[NDArray[np.int64]],
    calibration: Sequence[Part],
) -> InferenceTask:
    """Return the task to put texts at angles that people agree with.

    A text's vector is the mean of the network's output over its words. Scores have the
    correlation of cosines with ratings; agreement is the rank correlation of cosines with
    those of float32.

    Parameters
    ----------
    name : str
    weights : mapping from str to array
    rated : RatedPairs
    parts, calibration : sequence of Part
        Texts of one length each.
    places : sequence of int64 array
        Where in `rated.texts` the texts of each part are.
    """
    order = np.argsort(np.concatenate(places))
    correlation = pearson if rated.statistic == "pearson" else spearman

    def cosines(outputs: Outputs) -> Float64Array:
        vectors = np.concatenate([output.astype(np.float64).mean(axis=1) for output in outputs])
        vectors = vectors[order]
        with np.errstate(all="ignore"):
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        first, second = rated.pairs.T
        return np.asarray(np.einsum("ij,ij->i", vectors[first], vectors[second]))

    def scores(outputs: Outputs) -> dict[str, float]:
        return {rated.statistic: correlation(cosines(outputs), rated.ratings)}

    def agreement(outputs: Outputs, reference: Outputs) -> float:
        return spearman(cosines(outputs), cosines(reference))

    return InferenceTask(
        name, rated.provenance, weights, tuple(parts), tuple(calibration), scores, agreement
    )


def pearson(x: Float64Array, y: Float64Array) -> float:
    """Return the linear correlation; NaN where one of both does not vary."""
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(all="ignore"):
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def spearman(x: Float64Array, y: Float64Array) -> float:
    """Return the correlation of ranks, equal numbers sharing the mean of theirs."""
    return pearson(_ranks(x), _ranks(y))


def _ranks(x: Float64Array) -> Float64Array:
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[places]


def _gensim_data() -> Path:
    return package_folder("gensim", "gensim") / "test" / "test_data"


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    return [line for line in text.splitlines() if line.strip()]
