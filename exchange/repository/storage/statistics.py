"""Statistics of the tables that grow, taken when a load has outgrown them and not some time later."""

from __future__ import annotations

import psycopg
from psycopg import sql

from exchange.repository.storage.store import INDEX_TABLES

_OUTGROWN = """
SELECT s.relname FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.relname = ANY(%s) AND (c.reltuples < 0 OR s.n_mod_since_analyze > 100 + c.reltuples / 10)
ORDER BY s.relname
"""


def refresh_statistics(conn: psycopg.Connection) -> list[str]:
    """Analyses the tables of which a tenth has changed since that was last done, or never was; their names.

    For after a load has been committed, each table in a transaction of its own: it reads a sample, whatever
    the size, and passes over a table that somebody else is vacuuming or analysing.
    """
    names = [row[0] for row in conn.execute(_OUTGROWN, [["resource", *INDEX_TABLES]]).fetchall()]
    conn.commit()
    for name in names:
        conn.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(name)))
        conn.commit()
    return names
