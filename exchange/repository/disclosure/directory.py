"""Labels of what is about nobody (a place, a practitioner) reach records of anybody.

A record of a person is guarded by the lock on the person. For the directory there is one lock: whoever
publishes shares it, whoever gives a label there has it alone. So of two who do both at the same moment the
later one sees the other. Who learns only while publishing that he gives a label there does not wait for the
others with what he holds, for they may wait for that: he lets go of it and begins again alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import psycopg

from exchange.consent import Context, passed_on
from exchange.model.errors import Conflict
from exchange.repository.storage.items import PublishItem

_LOCK = 0x6469726563746F72


T = TypeVar("T")


class DirectoryInUse(Conflict):
    """Others are publishing, and a label for what is about nobody has to wait for them."""


def hold_directory(conn: psycopg.Connection, items: Iterable[PublishItem], context: Context) -> None:
    """To be called before persons are locked; alone if an item about nobody has a label to pass on."""
    if any(item.patient is None and passed_on(item.labels, context.rules) for item in items):
        _wait_alone(conn)
    else:
        conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_LOCK,))


def label_directory(conn: psycopg.Connection) -> None:
    """Lets nobody begin to publish until the transaction ends; raises DirectoryInUse if somebody is at it."""
    alone = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)).fetchone()
    if not alone or not alone[0]:
        raise DirectoryInUse("others are publishing; begin again")


def after_publishers(conn: psycopg.Connection) -> None:
    """Returns when everybody who is publishing has ended; nobody begins until this transaction ends."""
    _wait_alone(conn)


def alone_if_needed(conn: psycopg.Connection, act: Callable[[], T]) -> T:
    """What `act` does; where the directory is in use it is undone, its locks too, and done again alone."""
    try:
        with conn.transaction():
            return act()
    except DirectoryInUse:
        _wait_alone(conn)
        return act()


def _wait_alone(conn: psycopg.Connection) -> None:
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
