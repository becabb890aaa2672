"""The README's commands are the ones that continuous integration runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
RUN = "pip install -e . && accelsim run workloads/resnet50.yaml"
TEST = 'pip install -e ".[test]" && pytest'


def readme_commands() -> list[str]:
    """Return the lines of the README's shell blocks, prompts cut off."""
    blocks = re.findall(
        r"```(?:bash|sh|shell|console)\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.S
    )
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("command", [RUN, TEST])
def test_the_readme_shows_each_command_once(command: str) -> None:
    assert readme_commands().count(command) == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("marker", "command"), [("accelsim run", RUN), ("pytest", TEST)])
def test_continuous_integration_reads_its_commands_from_the_readme(
    marker: str, command: str
) -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    function = re.search(r"^readme_command\(\) \{.*?^\}", script, re.M | re.S)
    assert function is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'{function[0]}\nreadme_command "$1"', "-", marker],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        check=True,
    )
    assert done.stdout == command + "\n"
    assert command not in script, "the script must not have a copy of its own"
