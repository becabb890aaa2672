"""Short texts that a network is to copy or to turn around, for encoder-decoders.

A sample is a source of random words and the target so far, which is the answer behind a
word that begins every text (teacher forcing); its labels are the answer, a word for every
place. Whoever wants to solve it has to look at the right place of the source: a test that
attention, places and errors work together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accelsim.errors import DataError
from accelsim.training.datasets.base import DataSet, Split

#: Words, the first of which begins a text; places of a text.
WORDS, LENGTH = 16, 8
#: Samples to train and to test on.
TRAIN, TEST = 4096, 512
#: Stream of random numbers for texts, apart from those of weights and inputs.
_SEQUENCE_STREAM = 0x73657175


def read_copy(folder: Path | None = None) -> DataSet:
    """Make texts of 8 words whose answer is the text itself, always the same ones.

    Raises
    ------
    DataError
        If a folder is named: nothing is read.
    """
    return _texts("copy", folder, step=1)


def read_reverse(folder: Path | None = None) -> DataSet:
    """Make texts of 8 words whose answer is the text from its end, always the same ones.

    Raises
    ------
    DataError
        If a folder is named: nothing is read.

    Examples
    --------
    >>> data = read_reverse()
    >>> sample, answer = data.train.x[0], data.train.labels[0]
    >>> (sample[:8][::-1] == answer).all(), (sample[9:] == answer[:-1]).all(), int(sample[8])
    (np.True_, np.True_, 0)
    """
    return _texts("reverse", folder, step=-1)


def _texts(name: str, folder: Path | None, *, step: int) -> DataSet:
    """Return texts and answers, which read them with a step of 1 or -1."""
    if folder is not None:
        raise DataError(f"{name} is made up and reads no files; leave out the folder.")
    generator = np.random.Generator(np.random.PCG64(_SEQUENCE_STREAM))
    source = generator.integers(1, WORDS, (TRAIN + TEST, LENGTH), dtype=np.int32)
    answer = source[:, ::step]
    target = np.zeros_like(source)
    target[:, 1:] = answer[:, :-1]
    x, labels = np.concatenate([source, target], axis=1), answer.astype(np.int64)
    return DataSet(
        name,
        f"made up: texts of {LENGTH} of {WORDS - 1} words",
        Split(x[:TRAIN], labels[:TRAIN]),
        Split(x[TRAIN:], labels[TRAIN:]),
        WORDS,
        parts=(("source", LENGTH), ("target", LENGTH)),
    )
