"""What was made of an object is given again while it is kept, and never for another object."""

from __future__ import annotations

from broker.core.kept import Kept


def test_each_object_has_its_own_and_the_oldest_goes() -> None:
    made: list[str] = []

    def make(one: list[str]) -> str:
        made.append(one[0])
        return f"{one[0]}, {len(made)}"

    kept = Kept(make, 2)
    first, alike, third = ["a"], ["a"], ["c"]
    assert [kept(first), kept(first), kept(alike), kept(first)] == ["a, 1", "a, 1", "a, 2", "a, 1"]
    assert kept(third) == "c, 3"
    assert len(kept) == 2
    assert [kept(alike), kept(third), kept(first)] == ["a, 2", "c, 3", "a, 4"]
    assert made == ["a", "a", "c", "a"]


def test_no_object_takes_the_place_of_one_that_is_kept() -> None:
    kept: Kept[list[int], int] = Kept(lambda one: one[0], 1000)
    assert [kept([number]) for number in range(1000)] == list(range(1000))
    assert len(kept) == 1000
