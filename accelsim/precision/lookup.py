"""From what a user writes to a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from accelsim.config import dump_yaml, load_model, parse_yaml, validate
from accelsim.precision.recipe import Recipe
from accelsim.registry import Registry

#: What stands before the key of an override, for error texts.
_FLAG = "--set recipe."


@lru_cache(maxsize=1)
def recipe_registry() -> Registry[Recipe]:
    """Return the table of all recipes: the catalog and what plugins add."""
    return Registry(
        "recipe", group="accelsim.recipes", builtin="accelsim.precision.catalog:BUILTIN"
    )


def list_recipes() -> tuple[str, ...]:
    """Return the names of all recipes, sorted.

    Examples
    --------
    >>> "wang2018" in list_recipes()
    True
    """
    return recipe_registry().names()


def get_recipe(spec: Recipe | str | Path, overrides: Sequence[tuple[str, str]] = ()) -> Recipe:
    """Return the recipe that `spec` stands for.

    Parameters
    ----------
    spec : Recipe, str or Path
        A recipe, a name of the catalog, or the path of a YAML file (a string that
        ends in ``.yaml`` or ``.yml`` is a path).
    overrides : sequence of (key, text)
        Values to put in last, such as ``("accumulator.chunk_size", "1")``.

    Raises
    ------
    UnknownNameError
        If nothing has that name; it lists the nearest and all known ones.
    ConfigError
        With every problem of a file and its place.

    Examples
    --------
    >>> get_recipe("wang2018").accumulator.chunk_size
    64
    """
    if isinstance(spec, Path) or (isinstance(spec, str) and spec.endswith((".yaml", ".yml"))):
        return load_model(spec, Recipe, overrides=overrides, flag=_FLAG)
    recipe = spec if isinstance(spec, Recipe) else recipe_registry().get(spec)
    if not overrides:
        return recipe
    overrides = [pair for key, text in overrides for pair in _both_levels(key, text)]
    text = dump_yaml(recipe.model_dump(mode="json"))
    document = parse_yaml(text, file=f"recipe {recipe.name}")
    return validate(document, Recipe, overrides=overrides, flag=_FLAG)


def _both_levels(key: str, text: str) -> tuple[tuple[str, str], ...]:
    """Return what an override means in a recipe that is written out.

    There an accumulator has an `inner` and an `outer` format, for both of which
    `format` stands.
    """
    stem, _, last = key.rpartition(".")
    if last == "format" and stem.endswith("accumulator"):
        return (f"{stem}.inner", text), (f"{stem}.outer", text)
    return ((key, text),)
