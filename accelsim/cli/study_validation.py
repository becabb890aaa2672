"""``accelsim study validation``: the page that says how far the clock is off."""

from __future__ import annotations

from pathlib import Path

import click

#: Name of the page in the folder that it is written to.
PAGE = "validation.md"


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help=f"Write {PAGE} there instead of printing it.",
)  # fmt: skip
def validation(output: Path | None) -> None:
    """Compare timing with published machines."""
    from accelsim.files import atomic_write
    from accelsim.report.validation import validation_page

    text = "".join(validation_page())
    if output is None:
        click.echo(text, nl=False)
        return
    output.mkdir(parents=True, exist_ok=True)
    atomic_write(output / PAGE, text)
