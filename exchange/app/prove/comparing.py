"""Where two answers differ: by place, never by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it left; header names in lower case, sorted, without those that differ by themselves."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def differences(one: Sequence[Answer], other: Sequence[Answer]) -> tuple[str, ...]:
    """Places at which the pages of two answers differ, each once; empty when not a byte does.

    >>> differences([Answer(200, (), b'{"total":3}')], [Answer(200, (), b'{"total":2}')])
    ('page 1: body.total',)
    """
    found = [
        f"page {number}: {place}"
        for number, (a, b) in enumerate(zip_longest(one, other), 1)
        if a != b
        for place in (_places(a, b) if a and b else ("it is there only once",))
    ]
    return tuple(dict.fromkeys(found))


def _places(one: Answer, other: Answer) -> Iterator[str]:
    if one.status != other.status:
        yield f"status {one.status} or {other.status}"
    names = {name for name, _ in set(one.headers) ^ set(other.headers)}
    yield from (f"header {name}" for name in sorted(names))
    if one.body != other.body:
        try:
            parsed = orjson.loads(one.body), orjson.loads(other.body)
        except orjson.JSONDecodeError:
            yield "body"
            return
        yield from list(_within(*parsed, "body")) or ["body, by its bytes alone"]


def _within(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _within(one.get(name), other.get(name), f"{place}.{name}")
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{place}: {len(one)} or {len(other)} of them"
            return
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _within(a, b, f"{place}[{number}]")
    elif one != other:
        yield place
