"""Which chunks may be published at the same time, and in what order they are taken."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.pipeline.ahead import Publishing, publish_beside
from exchange.pipeline.footprints import ALONE, Footprint, footprint_of, may_change_places, next_apart
from exchange.pipeline.work import Others


def row(**fields: object) -> dict[str, object]:
    found: dict[str, object] = {
        "feed": "f", "key": "k", "ids": ["Flag/1"], "deleted": False, "merges": [], "conditional": [],
        "deletes": [], "snapshots": {}, "resources": [],
    }  # fmt: skip
    return found | fields


@pytest.mark.parametrize(
    "fields",
    [
        {"deleted": True},
        {"merges": [["Patient/1", "Patient/2"]]},
        {"conditional": ["Organization/1"]},
        {"deletes": ["Flag/2"]},
        {"snapshots": {"n": ["Flag/1"]}},
        {"ids": ["Consent/1"]},
    ],
)
def test_what_takes_back_or_depends_on_what_is_there_is_published_alone(fields: dict[str, object]) -> None:
    assert not footprint_of([row()]).alone
    assert footprint_of([row(), row(key="l", **fields)]) == ALONE


def footprint(states: str = "", refers: str = "", patients: str = "", alone: bool = False) -> Footprint:
    return Footprint(alone, *(frozenset(each.split()) for each in (states, refers, patients)))


@pytest.mark.parametrize(
    ("one", "other", "free"),
    [
        (footprint("a"), footprint("b"), True),
        (footprint("a b"), footprint("b c"), False),
        (footprint("a"), footprint("b", refers="a"), False),
        (footprint("a", refers="c"), footprint("b", refers="c"), True),
        (footprint("a", alone=True), footprint("b"), False),
        (footprint("a", patients="p"), footprint("b", patients="p"), True),
    ],
)
def test_the_order_of_two_matters_where_one_tells_the_other_something(
    one: Footprint, other: Footprint, free: bool
) -> None:
    assert may_change_places(one, other) is may_change_places(other, one) is free


@pytest.mark.parametrize(
    ("waiting", "running", "place"),
    [
        ([footprint("a"), footprint("b")], [], 0),
        ([footprint("a", patients="p"), footprint("b")], [footprint("c", patients="p")], 1),
        ([footprint("a", patients="p"), footprint("a")], [footprint("c", patients="p")], None),
        ([footprint("a", alone=True), footprint("b")], [footprint("c")], None),
        ([footprint("a", alone=True), footprint("b")], [], 0),
        ([], [], None),
    ],
)
def test_the_first_that_meets_neither_those_at_work_nor_those_it_passes_comes_next(
    waiting: list[Footprint], running: list[Footprint], place: int | None
) -> None:
    assert next_apart(waiting, running) == place


class Fake:
    """Processes that take what they are given when they are asked for it."""

    def __init__(self, refuses: int | None = None) -> None:
        self.done: list[tuple[str, int]] = []
        self._refuses = refuses

    def give(self, step: Any, partner: str, run: int, chunk: int) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(step(None, None, run, chunk))
        return future

    def beside(self, work: Any, partner: Any, run: int, chunk: int) -> bool:
        self.done.append(("refused" if chunk == self._refuses else "beside", chunk))
        return chunk != self._refuses

    def alone(self, work: Any, partner: Any, run: int, chunk: int) -> None:
        self.done.append(("alone", chunk))


def published(fake: Fake, footprints: list[Footprint]) -> list[int]:
    how = Publishing(fake.beside, fake.alone, footprints.__getitem__)
    partner: Any = SimpleNamespace(code="elm_clinic")
    work: Any = None
    return list(publish_beside(Others(1, fake.give), how, work, partner, 1, range(len(footprints))))


def test_every_chunk_is_published_once_and_what_depends_on_all_waits_for_all() -> None:
    fake = Fake()
    footprints = [footprint(str(n), patients=str(n // 2), alone=n == 5) for n in range(20)]
    done = published(fake, footprints)
    assert (done[-1], sorted(chunk for _, chunk in fake.done)) == (20, list(range(20)))
    place = fake.done.index(("alone", 5))
    assert {chunk for _, chunk in fake.done[:place]} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("refused", [0, 1, 3, 9])
def test_what_was_refused_is_published_alone_before_what_comes_after_it(refused: int) -> None:
    fake = Fake(refused)
    footprints = [footprint(str(n)) for n in range(10)]
    assert published(fake, footprints)[-1] == 10
    assert [how for how, chunk in fake.done if chunk == refused] == ["refused", "alone"]
    assert sorted(chunk for how, chunk in fake.done if how != "refused") == list(range(10))


def test_what_was_refused_comes_after_what_it_passed_by() -> None:
    """It may delete or relabel what that one says."""
    fake = Fake(refuses=2)
    footprints = [footprint(str(n), patients="p" if n < 2 else "q") for n in range(3)]
    published(fake, footprints)
    assert ("refused", 2) in fake.done
    assert [chunk for how, chunk in fake.done if how != "refused"] == [0, 1, 2]


def test_what_has_nothing_beside_it_is_published_alone() -> None:
    """Nobody has to find out that it reaches others."""
    fake = Fake()
    footprints = [footprint(str(n), patients="p") for n in range(3)]
    published(fake, footprints)
    assert fake.done == [("alone", 0), ("alone", 1), ("alone", 2)]


def test_what_fails_in_another_process_fails_here() -> None:
    fake = Fake()

    def failing(*_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ValueError("there"))
        return future

    fake.give = failing  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="there"):
        published(fake, [footprint("a"), footprint("b")])
