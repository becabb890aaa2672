"""The folder that a run leaves: everything to read, plot and repeat it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from accelsim.config import dump_yaml
from accelsim.errors import OutputError
from accelsim.files import csv_text, json_text, write_files
from accelsim.report.page import run_page
from accelsim.report.perfetto import trace_json_gz
from accelsim.results import Comparison, RunResult


def prepare_folder(folder: Path, *, force: bool) -> None:
    """Make sure that results can be written to `folder` before any work is done.

    Raises
    ------
    OutputError
        If it is a file, is not empty without `force`, or cannot be written to.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; -o needs a folder. Name another one.")
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written to: {error.strerror}. Name another folder."
        ) from error
    if occupied and not force:
        raise OutputError(f"{folder} is not empty. Use --force to overwrite, or another folder.")


def write_run_folder(result: RunResult, folder: Path) -> tuple[Path, ...]:
    """Write the five files of a run, each atomically; outputs beside them if there are any.

    Returns
    -------
    tuple of Path
        What was written: ``result.json``, ``layers.csv``, ``trace.json.gz``,
        ``report.html``, ``config.resolved.yaml`` and, with numerics, ``outputs.safetensors``.
    """
    files: dict[str, bytes | str] = {
        "result.json": json_text(result.document()),
        "layers.csv": layers_csv(result),
        "trace.json.gz": trace_json_gz(result),
        "report.html": run_page(result),
        "config.resolved.yaml": dump_yaml(dict(result.config)),
    }
    if result.outputs:
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(x) for name, x in result.outputs.items()}
        files["outputs.safetensors"] = save(arrays)
    return write_files(folder, files)


def write_comparison(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write ``comparison.json`` and ``comparison.csv`` (one line a row), each atomically."""
    document = comparison.document()
    flat = [{k: v for k, v in row.items() if not isinstance(v, dict)} for row in document["rows"]]
    files = {
        "comparison.json": json_text(document),
        "comparison.csv": csv_text(flat, list(flat[0])),
    }
    return write_files(folder, files)


def layers_csv(result: RunResult) -> str:
    """Return one line per op; stalls and energies get a column per cause and component."""
    rows = result.rows()
    causes = list(dict.fromkeys(cause for row in rows for cause in row["stall_cycles"]))
    components = list(dict.fromkeys(part for row in rows for part in row["energy_pj"]))
    counts = list(dict.fromkeys(name for row in rows for name in row["counts"]))
    flat = []
    for row in rows:
        stalls, energies, seen = row.pop("stall_cycles"), row.pop("energy_pj"), row.pop("counts")
        flat.append(
            {
                **row,
                **{f"stall_{cause}_cycles": stalls.get(cause, 0) for cause in causes},
                **{f"energy_{part}_pj": energies.get(part, 0.0) for part in components},
                **{f"count_{name}": seen.get(name) for name in counts},
            }
        )
    return csv_text(flat, list(flat[0])) if flat else ""
