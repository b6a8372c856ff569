"""A world of its own for each test, and receivers that are stopped at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.delivery.receiver import Answer, Receiver
from tests.delivery.world import Clinic, open_world


@pytest.fixture
def world(connection: psycopg.Connection, database: str) -> Clinic:
    return open_world(connection, database)


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(*answers: Answer) -> Receiver:
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for one in made:
        one.stop()
