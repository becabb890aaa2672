"""The page about timing: its example loads, and it names every stall."""

from __future__ import annotations

from pathlib import Path

from accelsim.arch import PagePolicy, load_chip
from accelsim.timing import StallCause

PAGE = Path(__file__).parents[3] / "docs" / "timing.md"


def test_the_example_is_a_memory_that_a_chip_can_have(tmp_path: Path) -> None:
    text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "chip.yaml"
    path.write_text(f"base: fp8_chunk64.yaml\n{text}")
    dram = load_chip(path).dram
    assert (dram.page_policy, dram.channels, dram.banks) == (PagePolicy.OPEN, 2, 16)


def test_every_stall_has_its_line() -> None:
    table = PAGE.read_text().split("## 7. Names of stalls")[1].split("## 8.")[0]
    for cause in StallCause:
        assert f"`{cause.value}`" in table
