"""The functions of cells, in the notation of liberty files.

A space or ``*`` or ``&`` is AND, ``+`` or ``|`` is OR, ``^`` is XOR, ``!`` before and ``'``
after is NOT.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError

#: Values of one net in many vectors.
Bits = NDArray[np.bool_]
#: Nested operations on pins: a name, ("!", x), or (operator, x, y).
Expression = str | tuple[Any, ...]

_TOKEN = re.compile(r"\s*(\w+|[()!'*&+|^])")
_AND, _OR, _XOR, _NOT = "*", "+", "^", "!"
_SAME = {"&": _AND, "|": _OR}


def parse_function(text: str) -> Expression:
    """Return a liberty function as nested operations.

    Raises
    ------
    DataError
        If it is none.

    Examples
    --------
    >>> parse_function("(!((A B)+C))")
    ('!', ('+', ('*', 'A', 'B'), 'C'))
    """
    tokens = [_SAME.get(token, token) for token in _TOKEN.findall(text)]
    expression, rest = _sum(tokens)
    if rest or "".join(tokens) != re.sub(r"\s", "", text).translate({38: 42, 124: 43}):
        raise DataError(f"This is no function of a cell: {text!r}.")
    return expression


def apply_function(function: Expression, pin: Callable[[str], Bits]) -> Bits:
    """Return the value of a function for the values that `pin` gives."""
    if isinstance(function, str):
        return pin(function)
    if function[0] == _NOT:
        return ~apply_function(function[1], pin)
    x, y = (apply_function(part, pin) for part in function[1:])
    if function[0] == _AND:
        return x & y
    return x | y if function[0] == _OR else x ^ y


def verilog_of(function: Expression, pin: Callable[[str], str]) -> str:
    """Return a function as an expression of Verilog.

    Examples
    --------
    >>> verilog_of(parse_function("!(A B)"), str.lower)
    '~(a & b)'
    """
    if isinstance(function, str):
        return pin(function)
    if function[0] == _NOT:
        return f"~{verilog_of(function[1], pin)}"
    sign = {_AND: "&", _OR: "|", _XOR: "^"}[function[0]]
    x, y = (verilog_of(part, pin) for part in function[1:])
    return f"({x} {sign} {y})"


def names_in(function: Expression) -> frozenset[str]:
    """Return the pins that a function reads."""
    if isinstance(function, str):
        return frozenset({function})
    return frozenset().union(*(names_in(part) for part in function[1:]))


def _sum(tokens: list[str]) -> tuple[Expression, list[str]]:
    return _chain(tokens, _OR, _exclusive)


def _exclusive(tokens: list[str]) -> tuple[Expression, list[str]]:
    return _chain(tokens, _XOR, _product)


def _chain(
    tokens: list[str], sign: str, operand: Callable[[list[str]], tuple[Expression, list[str]]]
) -> tuple[Expression, list[str]]:
    """Return operands with a sign between them, from left to right, and what follows."""
    left, rest = operand(tokens)
    while rest and rest[0] == sign:
        right, rest = operand(rest[1:])
        left = (sign, left, right)
    return left, rest


def _product(tokens: list[str]) -> tuple[Expression, list[str]]:
    left, rest = _factor(tokens)
    while rest and rest[0] not in (_OR, _XOR, ")"):
        right, rest = _factor(rest[1:] if rest[0] == _AND else rest)
        left = (_AND, left, right)
    return left, rest


def _factor(tokens: list[str]) -> tuple[Expression, list[str]]:
    if not tokens or tokens[0] in (_OR, _XOR, _AND, ")"):
        raise DataError("A function of a cell ends before an operand.")
    found: Expression
    if tokens[0] == _NOT:
        found, rest = _factor(tokens[1:])
        return (_NOT, found), rest
    if tokens[0] == "(":
        found, rest = _sum(tokens[1:])
        if not rest or rest[0] != ")":
            raise DataError("A bracket in a function of a cell is not closed.")
        rest = rest[1:]
    else:
        found, rest = tokens[0], tokens[1:]
    while rest and rest[0] == "'":
        found, rest = (_NOT, found), rest[1:]
    return found, rest
