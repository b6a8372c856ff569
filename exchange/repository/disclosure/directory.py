"""Labels of what is about nobody (a place, a practitioner) reach records of anybody.

A record of a person is guarded by the lock on the person. For the directory there is one lock: whoever
publishes shares it, whoever gives a label there has it alone. So of two who do both at the same moment the
later one sees the other.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from exchange.consent import Context, passed_on
from exchange.repository.storage.items import PublishItem

_LOCK = 0x6469726563746F72


def hold_directory(conn: psycopg.Connection, items: Iterable[PublishItem], context: Context) -> None:
    """To be called before persons are locked; alone if an item about nobody has a label to pass on."""
    if any(item.patient is None and passed_on(item.labels, context.rules) for item in items):
        label_directory(conn)
    else:
        conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_LOCK,))


def label_directory(conn: psycopg.Connection) -> None:
    """Waits for all who are publishing, and lets nobody begin until the transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
