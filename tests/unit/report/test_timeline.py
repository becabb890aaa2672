"""The timeline page and its figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import UnknownNameError
from accelsim.report import show

OPTIONS = {"arch": "fp8_chunk64", "recipe": None, "batch": 1}


def test_the_figure_has_a_lane_for_every_unit_that_worked(tmp_path: Path) -> None:
    path = tmp_path / "gantt.svg"
    table, total = show.timeline("tiny", **OPTIONS, op="conv1.forward", output=path)
    assert str(total).endswith("cycles")
    assert table.row_count > 0  # type: ignore[union-attr]
    assert path.read_text(encoding="utf-8").startswith("<?xml")


def test_an_op_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownNameError, match="nothing"):
        list(show.timeline("tiny", **OPTIONS, op="nothing"))
