"""A recipe and what differs from it, under a name: a row of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelsim.errors import ConfigError, UnknownNameError
from accelsim.precision import list_recipes

#: A variant's name is a folder's, too.
_VARIANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe and the fields in which it differs."""

    recipe: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> tuple[str, Variant]:
        """Return name and variant from a text such as ``narrow=wang2018 recipe.KEY=VALUE``.

        Raises
        ------
        ConfigError
            If the text has another form.
        """
        name, equals, rest = text.partition("=")
        words = rest.split()
        if not (_VARIANT_NAME.fullmatch(name) and equals and words):
            raise ConfigError(
                f"{text!r} is no variant; write a name, a recipe and what differs, such as"
                " 'short=wang2018 recipe.accumulator.chunk_size=8'."
            )
        return name, cls(words[0], tuple(words[1:]))


def named_variants(names: Sequence[str], table: Mapping[str, Variant]) -> dict[str, Variant]:
    """Return variants of a table by name; a recipe's name stands for the recipe as it is.

    Raises
    ------
    UnknownNameError
        For a name that neither the table nor the recipes have.
    """
    known = {name: Variant(name) for name in list_recipes()} | dict(table)
    for name in names:
        if name not in known:
            raise UnknownNameError("variant", name, known)
    return {name: known[name] for name in names}
