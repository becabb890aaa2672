"""From who saw what to samples of a recommender: what somebody chose, and what not.

As in neural collaborative filtering, each user's last interaction is for the test, where
it stands first among 99 items that the user never saw; the others are samples of class 1,
each with four of class 0 that the user never saw. Which ones a seed draws, once: the
paper draws new ones for every epoch, and here the samples of an epoch are always the same.

References
----------
X. He et al., "Neural Collaborative Filtering", WWW 2017, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError
from accelsim.training.datasets.base import MAX_SAMPLES, DataSet, Split

#: Samples of class 0 for each of class 1, and items that a test's right one stands among.
NEGATIVES, RIVALS = 4, 99
#: Names of a sample's two elements, which are those of the inputs that read them.
PARTS = (("user", 1), ("item", 1))
SYNTHETIC_USERS, SYNTHETIC_ITEMS, SYNTHETIC_CHOICES, SYNTHETIC_TASTES = 96, 160, 24, 4
_DRAW_STREAM, _SYNTHETIC_STREAM = 0x64726177, 0x7461737465

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Who saw what, and when.

    Parameters
    ----------
    users, items, times : int64 array (interactions,)
        Users and items count from 0; times only order what a user did, and equal ones
        leave it as it stands here.
    """

    users: Whole
    items: Whole
    times: Whole


def interaction_data(name: str, provenance: str, seen: Interactions) -> DataSet:
    """Return the samples of a recommender: (user, item), 1 for a choice and 0 for none.

    Raises
    ------
    DataError
        If there are too many samples, or a user has seen everything or only one item.
    """
    if (1 + NEGATIVES) * len(seen.users) > MAX_SAMPLES:
        raise DataError(f"{name}: {len(seen.users):,} interactions make too many samples.")
    order = np.lexsort((np.arange(len(seen.users)), seen.times, seen.users))
    users, items = seen.users[order], seen.items[order]
    everything = np.arange(items.max() + 1)
    generator = np.random.Generator(np.random.PCG64(_DRAW_STREAM))
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    histories = np.split(items, starts[1:])
    unseen = [np.setdiff1d(everything, history) for history in histories]
    rivals = min(RIVALS, min(map(len, unseen)))
    train, test = [], []
    for user, history, others in zip(users[starts], histories, unseen, strict=True):
        if len(history) < 2 or not len(others):
            raise DataError(
                f"{name}: user {user} saw {len(history)} of {len(everything)} items; at least 2,"
                " and not all, are needed."
            )
        drawn = generator.choice(others, (len(history) - 1, NEGATIVES))
        rows = np.concatenate((history[:-1, None], drawn), axis=1).ravel()
        train.append(_pairs(user, rows))
        against = generator.choice(others, rivals, replace=False)
        test.append(_pairs(user, np.concatenate((history[-1:], against))))
    x = np.concatenate(train)
    mixed = generator.permutation(len(x))
    chosen = (np.arange(len(x)) % (1 + NEGATIVES) == 0).astype(np.int64)
    tested = np.concatenate(test)
    right = (np.arange(len(tested)) % (1 + rivals) == 0).astype(np.int64)
    return DataSet(
        name, f"{provenance}, {NEGATIVES} items that were not chosen for each that was",
        Split(x[mixed], chosen[mixed]), Split(tested, right),
        classes=2, parts=PARTS, candidates=1 + rivals,
    )  # fmt: skip


def read_synthetic_interactions(folder: Path | None = None) -> DataSet:
    """Return what users of random tastes would choose: the same in every run.

    Users and items are random points; each user chooses items of the largest scalar
    products, softened by noise.

    Raises
    ------
    DataError
        If a folder is named.
    """
    if folder is not None:
        raise DataError(
            f"synthetic_interactions comes without files; there is nothing to read in {folder}."
        )
    generator = np.random.Generator(np.random.PCG64(_SYNTHETIC_STREAM))
    users = generator.standard_normal((SYNTHETIC_USERS, SYNTHETIC_TASTES))
    items = generator.standard_normal((SYNTHETIC_ITEMS, SYNTHETIC_TASTES))
    liking = users @ items.T + 0.5 * generator.standard_normal((len(users), len(items)))
    best = np.argsort(-liking, axis=1, kind="stable")[:, :SYNTHETIC_CHOICES]
    chosen = generator.permuted(best, axis=1).ravel()
    seen = Interactions(
        np.repeat(np.arange(len(users)), SYNTHETIC_CHOICES), chosen, np.arange(len(chosen))
    )
    return interaction_data("synthetic_interactions", "choices of random tastes", seen)


def _pairs(user: np.int64, items: Whole) -> NDArray[np.int32]:
    return np.stack((np.full(len(items), user), items), axis=1).astype(np.int32)
