"""What each viewer is shown of every class, folded into one value that a statement looks at once per table.

See `160_shown_classes.sql`: it is worked out from `disclosure`, which stays what decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg

_AHEAD = timedelta(days=7)
"""Longer than upkeep ever pauses; classes of which a permit begins or ends within it are asked row by row."""


def fold_shown(conn: psycopg.Connection, at: datetime) -> None:
    """Works it out anew from `at` on, for all viewers."""
    conn.execute("SELECT fold_shown(%s, %s)", (at, at + _AHEAD))


def fold_new_classes(conn: psycopg.Connection, at: datetime) -> bool:
    """The same when there are classes that are not in it yet; returns whether there were."""
    row = conn.execute(
        "SELECT coalesce((SELECT max(class) FROM disclosure_class), 0)"
        " > coalesce((SELECT min(top) FROM shown), 0)"
    ).fetchone()
    if not row or not row[0]:
        return False
    fold_shown(conn, at)
    return True
