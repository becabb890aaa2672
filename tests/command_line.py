"""One call of the command line as a user makes it: exit code, stdout and stderr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accelsim.cli import EXIT_INPUT


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exit code, stdout and stderr of one call."""

    code: int
    out: str
    err: str


#: What the fixture `cli` is: a call with the words of a command.
Run = Callable[..., Outcome]


def refused(outcome: Outcome, *texts: str) -> None:
    """Assert a clear refusal: exit code 2, the texts on stderr, nothing else anywhere."""
    assert outcome.code == EXIT_INPUT, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    for text in texts:
        assert text in outcome.err
