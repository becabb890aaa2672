"""What a plain scalar means: the core schema of YAML 1.2.

``1e-9`` and ``1e9`` are numbers, ``010`` is ten, ``0o10`` is eight; ``no``,
``on``, ``12:30``, ``1_000`` and ``2026-01-01`` are strings.

References
----------
YAML 1.2.2, section 10.3.2 (tag resolution), https://yaml.org/spec/1.2.2/.
"""

from __future__ import annotations

import re
from math import isfinite

from accelsim._config_tree import Place, Scalar

#: Longer numbers are typing errors, and slow to convert.
MAX_NUMBER_LENGTH = 400
_SHOWN_LENGTH = 40

#: The scalars that are not strings, by the last word of their tag.
PATTERNS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}


def resolve(text: str, place: Place) -> Scalar:
    """Return the value of a plain scalar.

    Infinities and NaN are accepted here, spelled ``.inf`` and ``.nan``; whether
    a field takes them is the model's decision.

    Raises
    ------
    ConfigError
        If a number has more than `MAX_NUMBER_LENGTH` characters, or is finite
        as written but not in double precision.
    """
    if PATTERNS["null"].fullmatch(text):
        return None
    if PATTERNS["bool"].fullmatch(text):
        return text[0] in "tT"
    integer = PATTERNS["int"].fullmatch(text) is not None
    if not integer and not PATTERNS["float"].fullmatch(text):
        return text
    if len(text) > MAX_NUMBER_LENGTH:
        place.refuse(f"A number of {len(text)} characters: {text[:_SHOWN_LENGTH]}...")
    if integer:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    lowered = text.lower()
    value = float(lowered.replace(".inf", "inf").replace(".nan", "nan"))
    if not isfinite(value) and not lowered.endswith((".inf", ".nan")):
        place.refuse(f"{text} is larger than any number in double precision.")
    return value
