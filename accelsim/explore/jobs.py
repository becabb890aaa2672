"""A job: everything that a run reads, loaded, checked and named by a hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from accelsim._version import __version__
from accelsim.arch import Chip, load_chip
from accelsim.errors import ConfigError
from accelsim.explore.parameters import Override, split_overrides
from accelsim.identity import by_identity
from accelsim.precision import Recipe, get_recipe
from accelsim.workload import Workload, load_workload
from accelsim.workload.importers import check_options, import_network, is_foreign
from accelsim.workload.importers.imported import ImportedNetwork
from accelsim.workload.inputs import InputSource, InputSources

#: How time is found: simulated event by event, or from closed forms.
TIMING_MODES = ("event", "analytic")

M = TypeVar("M", Chip, Workload)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a run reads, loaded and checked."""

    workload: Workload
    chip: Chip
    recipe: Recipe
    batch: int
    phase: str
    mode: str
    numerics: str
    input: InputSources | None
    weights: str | Path | None
    seed: int
    threads: int
    telemetry: bool = False
    imported: ImportedNetwork | None = None
    """What another tool wrote, where the network comes from there."""

    @property
    def imported_weights(self) -> ImportedNetwork | None:
        """What another tool wrote, where the weights are to come from there too."""
        has_weights = self.imported is not None and bool(self.imported.arrays)
        return self.imported if has_weights and self.weights is None else None


def load_job(
    workload: Workload | ImportedNetwork | str | Path,
    arch: Chip | str | Path,
    recipe: Recipe | str | Path | None,
    overrides: Sequence[str],
    *,
    batch: int = 1,
    phase: str = "inference",
    mode: str = "event",
    numerics: str = "full",
    input: InputSources | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    telemetry: bool = False,
    dims: Mapping[str, int] | None = None,
    strict: bool = False,
    known: dict[Hashable, Workload | ImportedNetwork] | None = None,
) -> Job:
    """Load and check the inputs of a run; the parameters are those of `accelsim.run`.

    What several jobs share is read once where they are loaded with the same `known`.

    Raises
    ------
    ConfigError, UnknownNameError
        If one of them is wrong.
    """
    if telemetry and numerics == "off":
        raise ConfigError("Telemetry counts what additions lose; it needs numerics full or sample.")
    if numerics not in ("full", "sample", "off"):
        raise ConfigError(f"numerics is {numerics!r}; it must be full, sample or off.")
    if mode not in TIMING_MODES:
        raise ConfigError(f"mode is {mode!r}; it must be {' or '.join(TIMING_MODES)}.")
    changes = split_overrides(overrides, {"arch": Chip, "recipe": Recipe, "workload": Workload})
    chip = load_named(arch, Chip, load_chip, changes["arch"])
    network = _network(
        workload, changes["workload"], {} if known is None else known, dims=dims, strict=strict
    )
    imported = network if isinstance(network, ImportedNetwork) else None
    if imported is not None and numerics == "off":
        imported = replace(imported, arrays={})  # a job may go to another process
    return Job(
        workload=network.workload if isinstance(network, ImportedNetwork) else network,
        chip=chip,
        recipe=get_recipe(chip.default_recipe if recipe is None else recipe, changes["recipe"]),
        batch=batch,
        phase=phase,
        mode=mode,
        numerics=numerics,
        input=input,
        weights=weights,
        seed=seed,
        threads=threads or os.cpu_count() or 1,
        telemetry=telemetry,
        imported=imported,
    )


def _network(
    workload: Workload | ImportedNetwork | str | Path,
    changes: Sequence[Override],
    known: dict[Hashable, Workload | ImportedNetwork],
    *,
    dims: Mapping[str, int] | None,
    strict: bool,
) -> Workload | ImportedNetwork:
    """Return a network, from `known` where it was read before."""
    check_options(workload, dims=dims, strict=strict)
    if isinstance(workload, ImportedNetwork):
        return workload.with_overrides(changes)
    if isinstance(workload, Workload):
        return load_named(workload, Workload, load_workload, changes)
    key = (workload, tuple(changes))
    if key not in known:
        known[key] = (
            import_network(workload, dims=dims, strict=strict).with_overrides(changes)
            if is_foreign(workload)
            else load_named(workload, Workload, load_workload, changes)
        )
    return known[key]


def load_named(
    given: M | str | Path,
    model: type[M],
    loader: Callable[[str | Path, Sequence[Override]], M],
    changes: Sequence[Override],
) -> M:
    """Return a chip or network as given, or load it by its name and change it.

    Raises
    ------
    ConfigError
        If an object, which has no file, is to be changed; and whatever `loader` raises.
    """
    if isinstance(given, model):
        if changes:
            raise ConfigError(f"Overrides need a name or a file, not a {model.__name__} object.")
        return given
    return loader(cast("str | Path", given), changes)


def input_hashes(job: Job) -> dict[str, str]:
    """Return the SHA-256 of everything that the run read."""
    models = {"arch": job.chip, "recipe": job.recipe, "workload": job.workload}
    hashes = {name: _model_hash(model) for name, model in models.items()}
    sources: dict[str, InputSource | None] = (
        {f"input.{name}": source for name, source in job.input.items()}
        if isinstance(job.input, Mapping)
        else {"input": job.input}
    )
    for name, source in {**sources, "weights": job.weights}.items():
        data = _contents(source)
        if data is not None:
            hashes[name] = _sha256(data)
    if job.imported_weights is not None and job.numerics != "off":
        hashes["weights"] = job.imported_weights.digest()
    return hashes


@by_identity(maxsize=64)
def _model_hash(model: BaseModel) -> str:
    """Return the hash of a model, which is frozen; the points of a sweep share many."""
    return _sha256(model.model_dump_json().encode())


def _contents(source: InputSource | None) -> bytes | None:
    """Return the bytes of a file or an array; None for a name that is neither."""
    if source is None:
        return None
    if isinstance(source, str | Path):
        return Path(source).read_bytes() if Path(source).is_file() else None
    return np.ascontiguousarray(source).tobytes()


def _name_of(source: InputSources | None) -> Any:
    """Return what is said about an input: its name or path, by name where there are several."""
    if source is None:
        return None
    if isinstance(source, Mapping):
        return {name: _name_of(one) for name, one in source.items()}
    if isinstance(source, str | Path):
        return str(source)
    array = np.asarray(source)
    return f"array of {array.dtype}, shape {array.shape}"


def job_key(job: Job) -> str:
    """Return the hash of everything that decides the result of a job."""
    decides = {
        "version": __version__,
        "inputs": input_hashes(job),
        "batch": job.batch,
        "phase": job.phase,
        "mode": job.mode,
        "numerics": job.numerics,
        "named_inputs": [_name_of(job.input), _name_of(job.weights)],
        "seed": job.seed,
    }
    return _sha256(json.dumps(decides, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def resolved(job: Job) -> dict[str, Any]:
    """Return the inputs of a run as plain data, everything filled in."""
    return {
        "version": __version__,
        "seed": job.seed,
        "batch": job.batch,
        "phase": job.phase,
        "mode": job.mode,
        "numerics": job.numerics,
        "telemetry": job.telemetry,
        "input": _name_of(job.input),
        "weights": _name_of(job.weights),
        "sha256": input_hashes(job),
        "arch": job.chip.model_dump(mode="json"),
        "recipe": job.recipe.model_dump(mode="json"),
        "workload": job.workload.model_dump(mode="json"),
    }
