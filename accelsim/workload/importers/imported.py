"""What an importer gives: a network, its weights, and what it could not take over."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.config import dump_yaml, parse_yaml, validate
from accelsim.errors import ConfigError
from accelsim.workload.network import Workload
from accelsim.workload.weights import Weights, checked_weights

#: Nodes of one kind that a listing names before it only counts them.
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class NotModelled:
    """A node of a foreign graph that no layer stands for.

    Parameters
    ----------
    op : str
        What the node does, in the words of the format it comes from.
    node : str
        Its name.
    reason : str
        Why no layer stands for it.
    """

    op: str
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network from another tool.

    Parameters
    ----------
    workload : Workload
        The network.
    arrays : mapping from str to array
        Its parameters by full name, in PyTorch's layout.
    file : str
        Where it comes from.
    node_count : int
        Nodes of the graph that compute something at run time.
    not_modelled : tuple of NotModelled
        Nodes that cost nothing here and whose values are not computed.
    notes : tuple of str
        What was assumed, such as a batch of 1.
    """

    workload: Workload
    arrays: Mapping[str, NDArray[Any]]
    file: str
    node_count: int
    not_modelled: tuple[NotModelled, ...] = ()
    notes: tuple[str, ...] = ()

    def weights(self) -> Weights:
        """Return the parameters, checked as those of a weight file are.

        Raises
        ------
        DataError
            For NaN, infinity and negative variances.
        """
        return checked_weights(self.arrays, self.workload.parameters, self.file)

    def with_overrides(self, overrides: Sequence[tuple[str, str]]) -> ImportedNetwork:
        """Return the network with fields of its workload changed, as ``--set`` does.

        Raises
        ------
        ConfigError
            If a key or a value is wrong.
        """
        if not overrides:
            return self
        if not self.arrays:
            raise ConfigError(f"{self.file} has no fields that could be overridden.")
        text = dump_yaml(self.workload.model_dump(mode="json"))
        document = parse_yaml(text, file=self.file)
        changed = validate(document, Workload, overrides=overrides, flag="--set workload.")
        return replace(self, workload=changed)

    def digest(self) -> str:
        """Return a SHA-256 of the parameters."""
        total = hashlib.sha256()
        for name, array in sorted(self.arrays.items()):
            total.update(f"{name} {array.dtype} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def warnings(self) -> tuple[str, ...]:
        """Return what a user must know: one text per assumption, one for what is left out."""
        if not self.not_modelled:
            return self.notes
        listing = "; ".join(self._listing())
        missing = (
            f"{len(self.not_modelled)} of {self.node_count} nodes of {self.file} are not modelled."
            f" They cost no time and no energy, and values after them mean nothing: {listing}."
        )
        return (*self.notes, missing)

    def _listing(self) -> list[str]:
        """Return one text per kind of node and reason."""
        kinds = Counter((left.op, left.reason) for left in self.not_modelled)
        texts = []
        for (op, reason), count in kinds.items():
            names = [one.node for one in self.not_modelled if (one.op, one.reason) == (op, reason)]
            more = f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
            texts.append(f"{count} {op} ({', '.join(names[:MAX_NAMED])}{more}): {reason}")
        return texts
