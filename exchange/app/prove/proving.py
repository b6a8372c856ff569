"""Tries to refute law 3: random requests to two sides, up to the first that they answer differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from exchange.app.prove.asking import Material, Request, shrink
from exchange.app.prove.drawing import random_request

Compare = Callable[[Request], tuple[str, ...]]


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
