"""Names that a network accepts, made of names that other tools accept."""

from __future__ import annotations

import re

#: Characters of a foreign name that are kept; a network allows more for what is added.
MAX_NAME = 150


def unique_name(wanted: str, taken: set[str], *, fallback: str = "layer") -> str:
    """Return a name that a network accepts, and add it to `taken`.

    Parameters
    ----------
    wanted : str
        Any text; what a name may not hold becomes an underscore.
    taken : set of str
        Names that are in use; a number is put behind a name that is.
    fallback : str
        The name where `wanted` is empty.

    Examples
    --------
    >>> taken = set()
    >>> [unique_name(name, taken) for name in ("conv 1", "conv_1", "1x1")]
    ['conv_1', 'conv_1_2', '_1x1']
    """
    clean = re.sub(r"[^A-Za-z0-9_./-]", "_", wanted)[:MAX_NAME] or fallback
    if not (clean[0].isalpha() or clean[0] == "_"):
        clean = f"_{clean}"
    candidate, repeat = clean, 1
    while candidate in taken:
        repeat += 1
        candidate = f"{clean}_{repeat}"
    taken.add(candidate)
    return candidate
