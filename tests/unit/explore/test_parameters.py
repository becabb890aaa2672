"""Which file a key belongs to."""

from __future__ import annotations

import pytest

from accelsim.arch import Chip
from accelsim.errors import ConfigError
from accelsim.explore.parameters import has_field, split_overrides
from accelsim.precision import Recipe
from accelsim.workload import Workload

TARGETS = {"arch": Chip, "recipe": Recipe, "workload": Workload}


def test_prefixed_and_unique_keys_find_their_file() -> None:
    changes = split_overrides(
        ["arch.cores=2", "mac_array.rows=8", "recipe.accumulator.chunk_size=1", "last_layer=null"],
        TARGETS,
    )
    assert changes == {
        "arch": (("cores", "2"), ("mac_array.rows", "8")),
        "recipe": (("accumulator.chunk_size", "1"), ("last_layer", "null")),
        "workload": (),
    }


def test_a_value_may_hold_an_equals_sign() -> None:
    assert split_overrides(["arch.description=a=b"], TARGETS)["arch"] == (("description", "a=b"),)


def test_all_problems_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        split_overrides(["name=x", "colour=red", "cores"], TARGETS)
    text = str(caught.value)
    assert "arch.name or recipe.name or workload.name" in text
    assert "No file has a field colour" in text
    assert "Expected KEY=VALUE" in text


@pytest.mark.parametrize(
    ("key", "there"),
    [("mac_array.operand_pairs[0].k_per_pe", True), ("mac_array.rows", True), ("rows", False)],
)
def test_has_field(key: str, there: bool) -> None:
    assert has_field(Chip, key) is there
