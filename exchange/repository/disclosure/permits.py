"""What is permitted now, as row-level security reads it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import psycopg

from exchange.consent import REPOSITORY
from exchange.consent.proof.stored import Shown
from exchange.model.records import Viewer

_EACH = {"any": ("access", "disclose"), "access": ("access",), "disclose": ("disclose",)}


def permits_in_force(conn: psycopg.Connection, at: datetime) -> list[Shown]:
    """Every class, viewer and action that `disclosure` permits at `at`."""
    rows = conn.execute(
        "SELECT d.class, v.participant, v.role, v.purpose, d.needs_relationship, d.obligations, d.because,"
        " d.action"
        " FROM disclosure d JOIN viewer v USING (viewer)"
        " WHERE d.valid_from <= %(at)s AND d.valid_until > %(at)s ORDER BY d.class, d.viewer",
        {"at": at},
    ).fetchall()
    return [
        Shown(number, Viewer(*names), related, frozenset(obligations), tuple(because), asked)
        for number, *names, related, obligations, because, action in rows
        for asked in (_EACH[action] if names[0] != REPOSITORY.participant else ("collect",))
    ]


def records_of(conn: psycopg.Connection, classes: Collection[int]) -> dict[int, int]:
    """How many records each of the classes holds."""
    rows = conn.execute(
        "SELECT class, count(*) FROM resource WHERE class = ANY(%s) GROUP BY 1", (list(classes),)
    ).fetchall()
    return dict(rows)
