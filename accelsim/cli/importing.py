"""``accelsim import``, and the options of every command that reads a file of another tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from accelsim.cli.console import print_json

if TYPE_CHECKING:
    from accelsim.workload.importers.imported import ImportedNetwork

Command = Callable[..., Any]


def parse_dims(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, int]:
    """Return the extents that ``--dim NAME=N`` options give."""
    dims: dict[str, int] = {}
    for text in texts:
        name, sign, extent = text.rpartition("=")
        if not (sign and name and extent.isascii() and extent.isdecimal() and len(extent) < 10):
            raise click.BadParameter(f"{text!r} is not NAME=N, such as sequence=128.")
        dims[name] = int(extent)
    return dims


DIM_OPTION = click.option(
    "--dim",
    "dims",
    multiple=True,
    metavar="NAME=N",
    callback=parse_dims,
    help="Extent of a symbolic dimension of an .onnx model.",
)


def import_options(command: Command) -> Command:
    """Add the options of an import."""
    strict = click.option(
        "--strict", is_flag=True, help="Refuse a model with a part that is not modelled."
    )
    return DIM_OPTION(strict(command))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="NET.yaml|NET.csv",
    help="Network to write; its weights go beside it, as .safetensors. A .csv is a topology of"
    " SCALE-Sim: the products alone.",
)  # fmt: skip
@click.option(
    "--topology", type=click.Choice(["conv", "gemm"]), default="conv", show_default=True,
    help="What the rows of a .csv are.",
)  # fmt: skip
@import_options
@click.option("--force", is_flag=True, help="Overwrite the files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="No warnings.")
def import_(
    file: Path, output: Path, topology: str, dims: dict[str, int], strict: bool, force: bool,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Turn FILE into a network of accelsim's own, or any network into a topology.

    FILE is an .onnx model, SCALE-Sim's .csv, or the .yaml of Timeloop or ZigZag; for a .csv
    also a network of accelsim's own.
    """
    from accelsim.workload.importers import any_network
    from accelsim.workload.importers.saving import prepare_files, save_network, save_topology

    prepare_files(output, force=force)
    network = any_network(file, dims=dims, strict=strict)
    if output.suffix.lower() == ".csv":
        written = save_topology(network, output, topology)
    else:
        written = save_network(network, output)
    if not quiet:
        for text in network.warnings():
            click.echo(f"warning: {text}", err=True)
    if as_json:
        _print_document(network, written)
        return
    workload = network.workload
    click.echo(
        f"{output}: {len(workload.layers):,} layers, {workload.macs():,} MACs,"
        f" {workload.parameter_count:,} parameters"
    )
    if len(written) > 1:
        click.echo(f"weights: {written[1]}")
        click.echo(f"run it: accelsim run {output} --weights {written[1]}")


def _print_document(network: ImportedNetwork, written: tuple[Path, ...]) -> None:
    """Print what was written as one JSON document."""
    workload = network.workload
    print_json(
        {
            "schema": "accelsim.import/1",
            "files": [str(path) for path in written],
            "layers": len(workload.layers),
            "macs": workload.macs(),
            "parameters": workload.parameter_count,
            "not_modelled": [
                {"op": left.op, "node": left.node, "reason": left.reason}
                for left in network.not_modelled
            ],
        }
    )
