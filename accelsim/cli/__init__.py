"""The command line: parse, call the api, print. Only this package prints.

stdout carries the result alone: tables, or with ``--json`` one document.
Progress, warnings and errors go to stderr. Exit codes: 0 done; 1 a failure of
accelsim; 2 wrong input; 3 done, but a ``--fail-on`` condition holds; 130
interrupted.
"""

from __future__ import annotations

import errno
import os
import sys

import click

from accelsim._version import __version__
from accelsim.cli.explore import sweep
from accelsim.cli.importing import import_
from accelsim.cli.run import EXIT_CONDITION, compare, run
from accelsim.cli.show import EXIT_INPUT, check, list_, schema, show
from accelsim.cli.study import study
from accelsim.cli.train import train
from accelsim.errors import AccelsimError

EXIT_FAILURE, EXIT_INTERRUPTED = 1, 130
TRACEBACK_FLAG = "--traceback"
#: A disk or a quota under stdout is full; files have an error of their own.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

__all__ = ["EXIT_CONDITION", "EXIT_FAILURE", "EXIT_INPUT", "EXIT_INTERRUPTED", "cli", "main"]


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        # Under `python -m` CPython ends by the signal instead of with our code if the interrupt
        # fell into an exec of text (as a dataclass is made); another exec makes it forget that.
        exec("")
        code = EXIT_INTERRUPTED
    except AccelsimError as error:
        click.echo(f"accelsim: {error}", err=True)
        # The errors that are no ValueError blame the installation, not the input.
        code = EXIT_INPUT if isinstance(error, ValueError) else EXIT_FAILURE
    except BrokenPipeError:
        _forget_stdout()
        code = EXIT_FAILURE
    except Exception as error:
        if TRACEBACK_FLAG in sys.argv:
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            click.echo(f"accelsim: The result cannot be printed: {error.strerror}.", err=True)
            _forget_stdout()
            sys.exit(EXIT_FAILURE)
        click.echo(
            f"accelsim failed: {type(error).__name__}: {error}\n"
            "  This is a fault of accelsim, not of your input."
            f" `accelsim {TRACEBACK_FLAG} ...` shows where it happened.",
            err=True,
        )
        code = EXIT_FAILURE
    sys.exit(code or 0)


def _forget_stdout() -> None:
    """Drop what is still buffered for stdout, which can take no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="accelsim")
@click.option(TRACEBACK_FLAG, is_flag=True, help="Show where a failure of accelsim happened.")
def cli(traceback: bool) -> None:
    """Values, cycles, energy and area of a low-precision accelerator, from one schedule."""


for _command in (run, compare, sweep, train, study, show, check, import_, list_, schema):
    cli.add_command(_command)
