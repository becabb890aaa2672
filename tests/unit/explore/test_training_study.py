"""The study of trainings: which variants, how many at once, what is compared with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.explore.training_study import VARIANTS, study_training
from accelsim.explore.variants import Variant, named_variants
from accelsim.training import TrainingSettings

NETWORK = """\
name: two_layers
input: {shape: [8, 8, 1]}
layers:
  - {name: flatten, kind: flatten}
  - {name: fc1, kind: linear, in_features: 64, out_features: 24}
  - {name: relu1, kind: relu}
  - {name: fc2, kind: linear, in_features: 24, out_features: 10}
"""
SETTINGS = TrainingSettings(batch=32, train_samples=64, test_samples=32, seed=5)


def test_a_recipe_is_a_variant_of_itself_and_an_ablation_has_its_own_name() -> None:
    assert named_variants(["s2fp8", "chunk_1"], VARIANTS) == {
        "s2fp8": Variant("s2fp8"),
        "chunk_1": Variant("wang2018", ("recipe.accumulator.chunk_size=1",)),
    }
    assert list(named_variants(tuple(VARIANTS), VARIANTS)) == list(VARIANTS)
    with pytest.raises(UnknownNameError, match="chunk_1"):
        named_variants(["chunk1"], VARIANTS)


def test_a_variant_is_read_from_a_text() -> None:
    assert Variant.parse(
        "short=wang2018  recipe.accumulator.chunk_size=8 recipe.last_layer=null"
    ) == (
        "short",
        Variant("wang2018", ("recipe.accumulator.chunk_size=8", "recipe.last_layer=null")),
    )


@pytest.mark.parametrize("text", ["", "short", "short=", "=wang2018", "../up=wang2018", "a b=fp32"])
def test_a_text_that_is_no_variant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no variant"):
        Variant.parse(text)


def test_several_at_once_give_the_rows_of_one_after_the_other(tmp_path: Path) -> None:
    network = tmp_path / "two_layers.yaml"
    network.write_text(NETWORK)
    variants = {
        "fp32": Variant("fp32"),
        "short": Variant("wang2018", ("recipe.accumulator.chunk_size=8",)),
    }
    lines: list[str] = []
    one = study_training(
        str(network), data="synthetic", settings=SETTINGS, variants=variants, seeds=2
    )
    two = study_training(
        str(network), data="synthetic", settings=SETTINGS, variants=variants, seeds=2, jobs=2,
        on_progress=lines.append,
    )  # fmt: skip
    assert one.document() == two.document()
    assert [(row.variant, row.seed) for row in two.rows] == [
        ("fp32", 5), ("fp32", 6), ("short", 5), ("short", 6),
    ]  # fmt: skip
    assert lines[-1] == "4 of 4: short, seed 6"
    first = one.summaries()[0]
    assert (first.seeds, first.diverged, first.difference) == (2, 0, 0.0)


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"jobs": 0}])
def test_none_at_all_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        study_training("mlp", data="synthetic", settings=SETTINGS, **wrong)
