"""A training on disk: one file that is either the old state or the new one, never half of each.

The tensors are those of a safetensors file; all else is JSON in its header. Floats
survive JSON exactly (Python writes the shortest text that reads back the same).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from accelsim.errors import ConfigError, DataError
from accelsim.files import atomic_write
from accelsim.training.loss_scale import LossScale
from accelsim.training.state import HistoryRow, Tally, TrainingState

CHECKPOINT = "checkpoint.safetensors"
SCHEMA = "accelsim.checkpoint/1"
_KEY = "accelsim"


def save_checkpoint(folder: Path, state: TrainingState, identity: Mapping[str, Any]) -> None:
    """Write the state of a training, atomically, in place of the one before.

    Parameters
    ----------
    folder : Path
        Gets ``checkpoint.safetensors``.
    state : TrainingState
    identity : mapping
        JSON-ready; what the training is. `load_checkpoint` demands the same.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from safetensors.numpy import save

    document = {
        "schema": SCHEMA,
        "identity": dict(identity),
        "step": state.step,
        "updates": state.updates,
        "loss_scale": asdict(state.loss_scale),
        "tally": asdict(state.tally),
        "history": [asdict(row) for row in state.history],
        "diverged_at": state.diverged_at,
    }
    arrays = {name: np.ascontiguousarray(values) for name, values in state.tensors.items()}
    data = save(arrays, metadata={_KEY: json.dumps(document)})
    atomic_write(folder / CHECKPOINT, data)


def load_checkpoint(folder: Path, identity: Mapping[str, Any]) -> TrainingState | None:
    """Read the state that `save_checkpoint` wrote, or None if there is none.

    Raises
    ------
    DataError
        If the file is damaged or no checkpoint of this version.
    ConfigError
        If it belongs to another training; names what differs.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    tensors, document = _read(path)
    differing = sorted(
        key
        for key in {*identity, *document["identity"]}
        if identity.get(key) != document["identity"].get(key)
    )
    if differing:
        raise ConfigError(
            f"{path} belongs to another training; these differ: {', '.join(differing)}."
            " Give the options that it was started with, or another folder."
        )
    try:
        return TrainingState(
            step=document["step"],
            tensors=tensors,
            loss_scale=LossScale(**document["loss_scale"]),
            updates=document["updates"],
            tally=Tally(**document["tally"]),
            history=tuple(HistoryRow(**row) for row in document["history"]),
            diverged_at=document["diverged_at"],
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is no checkpoint of this version ({error}).") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors and the document of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as data:
            metadata = data.metadata() or {}
            tensors = {name: data.get_tensor(name) for name in data.keys()}  # noqa: SIM118
        document = json.loads(metadata.get(_KEY, "null"))
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise DataError(f"{path} is no checkpoint of this version ({SCHEMA}).")
    return tensors, document
