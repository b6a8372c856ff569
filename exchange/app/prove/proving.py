"""Tries to refute law 3: random requests to two sides, up to the first that they answer differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from exchange.app.prove.asking import Material, Request, shrink
from exchange.app.prove.drawing import random_request

Compare = Callable[[Request], tuple[str, ...]]
Draw = Callable[[Random, Material], Request]
CompareAll = Callable[[Sequence[Request]], list[tuple[str, ...]]]

_TOGETHER = 25


@dataclass(frozen=True, slots=True)
class Leak:
    """The shortest request found that is answered differently, and where; `number` counts from 1."""

    number: int
    request: Request
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many random requests, and the seed that always gives the same ones of the same data."""

    seed: int
    requests: int


def first_leak(
    compare: Compare,
    material: Material,
    effort: Effort,
    tell: Callable[[int], None] = lambda _: None,
) -> Leak | None:
    """Asks until an answer differs twice in a row: records that come in between are no leak."""
    random = Random(effort.seed)  # noqa: S311 - reproducible on purpose
    for number in range(1, effort.requests + 1):
        request = random_request(random, material)
        if compare(request) and compare(request):
            shortest = shrink(request, lambda smaller: bool(compare(smaller)))
            return Leak(number, shortest, compare(shortest))
        tell(number)
    return None


def first_leak_in_turns(
    compare: CompareAll,
    draw: Draw,
    material: Material,
    effort: Effort,
    tell: Callable[[int], None] = lambda _: None,
) -> Leak | None:
    """The same of what writes, some at a time: for them the hidden is removed and brought back."""
    random = Random(effort.seed)  # noqa: S311 - reproducible on purpose
    drawn = [draw(random, material) for _ in range(effort.requests)]
    for done in range(0, len(drawn), _TOGETHER):
        requests = drawn[done : done + _TOGETHER]
        for number, (request, places) in enumerate(zip(requests, compare(requests), strict=True), done + 1):
            if places and compare([request])[0]:
                shortest = shrink(request, lambda smaller: bool(compare([smaller])[0]))
                return Leak(number, shortest, compare([shortest])[0])
            tell(number)
    return None
