"""How good a network is: what a test says of its outputs."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

#: How many of the candidates count as recommended (He et al. 2017).
RECOMMENDED = 10


class Metric(StrEnum):
    """What a test measures, from 0 to 1."""

    #: Share of the samples whose class is the one that the network finds likeliest.
    ACCURACY = "accuracy"
    #: Share of the groups of candidates whose chosen one is among the best ten.
    HIT_RATIO = "hit_ratio_at_10"


def is_right(outputs: Array, labels: Labels) -> NDArray[np.bool_]:
    """Return, for every sample, whether its class is the one that the network finds likeliest.

    Parameters
    ----------
    outputs : array (samples, classes), or (samples, 1)
        A number for every class, the largest of which counts; or one number, which is
        above 0 for class 1. Of equal numbers the first counts. A sample with a NaN is wrong.
    labels : int64 array (samples,)

    Examples
    --------
    >>> is_right(np.array([[0.5], [-1.0], [np.nan]]), np.array([1, 1, 0])).tolist()
    [True, False, False]
    """
    one = outputs.shape[-1] == 1
    found = (outputs[..., 0] > 0).astype(np.int64) if one else outputs.argmax(axis=-1)
    right: NDArray[np.bool_] = (found == labels) & ~np.isnan(outputs).any(axis=-1)
    return right


def hit_ratio(scores: Array, candidates: int) -> float:
    """Return the share of groups whose first candidate is among the best `RECOMMENDED`.

    Parameters
    ----------
    scores : array (groups * candidates,)
        Larger is better. A candidate with the score of the first one, or one that cannot
        be compared with it because of a NaN, is counted as better: a network that tells
        nothing apart gets 0.
    candidates : int
        In a group; the first is the one that was chosen.

    Returns
    -------
    float
        HR@10.

    Examples
    --------
    >>> scores = np.arange(40.0)
    >>> scores[20] = 99.0
    >>> hit_ratio(scores, 20)
    0.5

    References
    ----------
    X. He et al., "Neural Collaborative Filtering", WWW 2017, section 4.1.
    """
    groups = scores.reshape(-1, candidates)
    better = np.count_nonzero(~(groups[:, 1:] < groups[:, :1]), axis=1)
    return float(np.mean(better < RECOMMENDED))
