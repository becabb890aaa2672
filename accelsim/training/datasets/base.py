"""A labelled data set in memory, split in two, and how it becomes a network's input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, ShapeError
from accelsim.workload.input_spec import InputSpec

#: Samples that one split may have; more is a mistaken file.
MAX_SAMPLES = 10_000_000
#: Largest level of a stored pixel.
PIXEL_MAX = 255

Float32Array = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Samples and what they are.

    Parameters
    ----------
    x : array (samples, ...)
        uint8 pixels, channels last, or numbers.
    labels : int64 array (samples,), or (samples, places)
        Class of each sample, or of each of its places.
    """

    x: NDArray[Any]
    labels: Labels

    def __post_init__(self) -> None:
        if len(self.x) != len(self.labels):
            raise DataError(f"{len(self.x)} samples have {len(self.labels)} labels.")
        if not len(self.x):
            raise DataError("A split without samples can neither be trained nor tested on.")
        if len(self.x) > MAX_SAMPLES:
            raise DataError(f"{len(self.x):,} samples; at most {MAX_SAMPLES:,} are read.")

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Split:
        """Return the first `count` samples, or all where it is None or more than there are."""
        return self if count is None else Split(self.x[:count], self.labels[:count])


@dataclass(frozen=True, slots=True)
class DataSet:
    """What to train on, and what to test on.

    Parameters
    ----------
    name, provenance : str
        What it is, and where it was read from.
    train, test : Split
        Apart from each other.
    classes : int
        Labels are 0 to classes - 1.
    parts : tuple of (str, int)
        For networks with several inputs: the name of each, and how many of a sample's
        elements are for it, in the order in which they follow each other.
    candidates : int or None
        Test samples are groups of so many between which a recommender chooses; the first of
        each is the right one. None where every sample stands for itself.
    """

    name: str
    provenance: str
    train: Split
    test: Split
    classes: int
    parts: tuple[tuple[str, int], ...] = ()
    candidates: int | None = None

    def __post_init__(self) -> None:
        if self.candidates is not None and len(self.test) % self.candidates:
            raise DataError(
                f"{self.name}: {len(self.test)} test samples are no groups of {self.candidates}."
            )
        for split in (self.train, self.test):
            lowest, highest = int(split.labels.min()), int(split.labels.max())
            if lowest < 0 or highest >= self.classes:
                raise DataError(
                    f"{self.name}: labels go from {lowest} to {highest};"
                    f" 0 to {self.classes - 1} are expected."
                )


#: Reads a data set from a folder that the user names, or from where it is installed.
Reader = Callable[[Path | None], DataSet]


def network_inputs(
    x: NDArray[Any], given: Mapping[str, InputSpec], parts: tuple[tuple[str, int], ...] = ()
) -> dict[str, NDArray[Any]]:
    """Return samples as a network reads them, by name of its inputs.

    Parameters
    ----------
    x : array (samples, ...)
        As for `network_input`; for several inputs (samples, elements of all parts).
    given : mapping from str to InputSpec
        `Workload.given`.
    parts : tuple of (str, int)
        `DataSet.parts`; not needed for one input.

    Raises
    ------
    ShapeError
        If the data do not have the parts that the network reads.
    DataError
        If tokens are not in a vocabulary.
    """
    if len(given) == 1:
        ((name, spec),) = given.items()
        return {name: network_input(x, spec)}
    if {name for name, _ in parts} != set(given):
        has = ", ".join(name for name, _ in parts) or "one part without a name"
        raise ShapeError(f"The network reads {', '.join(given)}; the data have {has}.")
    found, start = {}, 0
    for name, width in parts:
        found[name] = network_input(x[:, start : start + width], given[name])
        start += width
    return found


def network_input(x: NDArray[Any], spec: InputSpec) -> NDArray[Any]:
    """Return samples as an input takes them: pixels from 0 to 1, then normalised per channel.

    Tokens stay as they are.

    Parameters
    ----------
    x : array (samples, ...)
        Pixels (uint8) or numbers with as many elements per sample as the input.
    spec : InputSpec
        Shape, `mean` and `std` of the network's input.

    Raises
    ------
    ShapeError
        If a sample does not have as many elements as the network reads.
    DataError
        If tokens are not in the vocabulary.
    """
    if math.prod(x.shape[1:]) != math.prod(spec.shape):
        raise ShapeError(
            f"A sample has the shape {x.shape[1:]}; the network reads {tuple(spec.shape)}."
        )
    if spec.vocabulary is not None:
        if x.size and not (x.min() >= 0 and x.max() < spec.vocabulary):
            raise DataError(
                f"The data hold tokens from {x.min()} to {x.max()};"
                f" the network reads 0 to {spec.vocabulary - 1}."
            )
        return x.reshape(len(x), *spec.shape).astype(np.float64)
    values = x.reshape(len(x), *spec.shape).astype(np.float32)
    if x.dtype == np.uint8:
        values /= np.float32(PIXEL_MAX)
    if spec.mean is not None:
        values -= np.asarray(spec.mean, dtype=np.float32)
    if spec.std is not None:
        values /= np.asarray(spec.std, dtype=np.float32)
    return values


def split_off(x: NDArray[Any], labels: NDArray[Any], *, every: int) -> tuple[Split, Split]:
    """Return (train, test), where each `every`-th sample of each class is for the test.

    Classes take turns in both, so that the first samples hold all classes alike,
    whatever the order in which they were given.
    """
    labels = labels.astype(np.int64)
    place = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = np.arange(len(members))
    in_turns = np.lexsort((labels, place))
    is_test = place[in_turns] % every == every - 1
    train, test = in_turns[~is_test], in_turns[is_test]
    return Split(x[train], labels[train]), Split(x[test], labels[test])
