"""The recipes that ship, each a YAML file with its source beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from accelsim.config import load_model
from accelsim.precision.recipe import Recipe

_FOLDER = Path(__file__).parent / "recipes"

#: accelsim's own recipes by name.
BUILTIN: Mapping[str, Recipe] = MappingProxyType(
    {path.stem: load_model(path, Recipe) for path in sorted(_FOLDER.glob("*.yaml"))}
)
