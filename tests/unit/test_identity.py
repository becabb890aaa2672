"""What is remembered by identity is asked once for an object, and again for its equal."""

from __future__ import annotations

from accelsim.identity import Alike, Same, by_identity


def test_an_object_is_asked_about_once_and_its_equal_again() -> None:
    asked: list[tuple[int, ...]] = []

    @by_identity(maxsize=8)
    def total(numbers: tuple[int, ...]) -> int:
        asked.append(numbers)
        return sum(numbers)

    one, other = (1, 2, int("3")), (1, 2, int("3"))
    assert one == other
    assert one is not other
    assert [total(one), total(one), total(other)] == [6, 6, 6]
    assert len(asked) == 2


def test_what_was_asked_longest_ago_is_forgotten_and_found_again() -> None:
    asked = 0

    @by_identity(maxsize=2)
    def count(_numbers: list[int]) -> int:
        nonlocal asked
        asked += 1
        return asked

    first, second, third = [1], [2], [3]
    assert [count(first), count(second), count(third)] == [1, 2, 3]
    assert [count(third), count(second)] == [3, 2]
    assert count(first) == 4


def test_keys_of_other_types_are_never_equal() -> None:
    thing = object()
    assert Same(thing) == Same(thing)
    assert Same(thing) != thing


def test_alike_looks_at_what_counts_alone() -> None:
    one, other = Alike("64 rows", [1]), Alike("64 rows", [2])
    assert one == other
    assert hash(one) == hash(other)
    assert one != Alike("32 rows", [1])
