"""Remember what follows from an object by which object it is, without looking into it.

To hash and compare a trace, a table or a schedule takes longer than many an answer about
it. Where the same objects are asked about again and again, that they are the same ones
is enough to know. Objects remembered stay alive, so memories are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[T]):
    """A key that equals only keys of the very same object.

    Examples
    --------
    >>> one, other = [1], [1]
    >>> Same(one) == Same(one), Same(one) == Same(other)
    (True, False)
    """

    it: T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


@dataclass(frozen=True, slots=True)
class Alike(Generic[T]):
    """A key that equals keys of objects that are alike in what counts.

    Parameters
    ----------
    counts : Hashable
        Everything of the object that what is remembered looks at.
    it : object
        One of them.

    Examples
    --------
    >>> Alike(3, "abc") == Alike(3, "xyz"), Alike(3, "abc") == Alike(4, "abcd")
    (True, False)
    """

    counts: Hashable
    it: T = field(compare=False)


def by_identity(*, maxsize: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Return a decorator that remembers a function of one object, which never changes.

    Parameters
    ----------
    maxsize : int
        Answers kept; the one that was asked for longest ago goes first.

    Examples
    --------
    >>> @by_identity(maxsize=2)
    ... def total(numbers):
    ...     return sum(numbers)
    >>> total((1, 2))
    3
    """

    def decorate(function: Callable[[T], R]) -> Callable[[T], R]:
        @lru_cache(maxsize=maxsize)
        def answer(same: Same[T]) -> R:
            return function(same.it)

        @wraps(function)
        def remembered(it: T) -> R:
            return answer(Same(it))

        return remembered

    return decorate
