"""The README's session prints what the README says that it prints.

Golden text: it proves that the README is current, not that its numbers are right.
"""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest

from accelsim.cli import main

README = Path(__file__).parents[2] / "README.md"
SESSION = re.compile(
    r"(?<=<!-- session: begin -->\n```console\n).*?(?=```\n<!-- session: end -->)", re.S
)


def replay(session: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the session as its commands print it now."""
    text = ""
    for line in session.splitlines():
        if not line.startswith("$ accelsim "):
            continue
        sys.argv = shlex.split(line.removeprefix("$ "))
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code, capsys.readouterr().err
        shown = "\n".join(row.rstrip() for row in capsys.readouterr().out.splitlines())
        text += f"{line}\n{shown}\n"
    return text


def test_session_is_current(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    readme = README.read_text(encoding="utf-8")
    (session,) = SESSION.findall(readme)
    now = replay(session, capsys)
    assert now
    if request.config.getoption("--update-golden"):
        README.write_text(readme.replace(session, now), encoding="utf-8")
        return
    assert session == now, "the README's session changed; see --update-golden"


def test_python_examples_run() -> None:
    failed, attempted = doctest.testfile(str(README), module_relative=False)
    assert attempted > 0
    assert failed == 0
