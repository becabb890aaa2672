"""From what a user writes to a recipe."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from accelsim.config import load_model
from accelsim.precision.recipe import Recipe
from accelsim.registry import Registry


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


def get_recipe(spec: Recipe | str | Path) -> Recipe:
    """Return the recipe that `spec` stands for.

    Parameters
    ----------
    spec : Recipe, str or Path
        A recipe, a name of the catalog, or the path of a YAML file (a string that
        ends in ``.yaml`` or ``.yml`` is a path).

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
    if isinstance(spec, Recipe):
        return spec
    if isinstance(spec, Path) or spec.endswith((".yaml", ".yml")):
        return load_model(spec, Recipe)
    return recipe_registry().get(spec)
