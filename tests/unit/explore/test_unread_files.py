"""Files that are given to a run that computes no values."""

from __future__ import annotations

from accelsim import run


def test_files_that_no_value_needs_are_said_to_be_unread() -> None:
    result = run("tiny", numerics="off", input="a.npy", weights="b.npz")
    assert result.warnings[-1] == (
        "numerics is off: the input and the weights that were given were not read."
    )
    assert not any("not read" in text for text in run("tiny", numerics="off").warnings)
