"""Which samples a step sees: a shuffle per epoch, named by seed and epoch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Stream of random numbers for orders, apart from those of weights and inputs.
_ORDER_STREAM = 0x6F72646572


@lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """Return the order of the samples in an epoch; read-only, the same in every run."""
    generator = np.random.Generator(np.random.PCG64((_ORDER_STREAM, seed, epoch)))
    order = generator.permutation(samples)
    order.flags.writeable = False
    return order


def batch_at(seed: int, step: int, *, samples: int, batch: int) -> NDArray[np.int64]:
    """Return the samples of a step, counted from 0 over all epochs.

    Examples
    --------
    >>> first, second = (batch_at(0, step, samples=5, batch=2) for step in (0, 1))
    >>> len(set(first) | set(second))
    4
    """
    epoch, place = divmod(step, samples // batch)
    return epoch_order(seed, epoch, samples)[place * batch : (place + 1) * batch]
