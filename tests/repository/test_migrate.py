"""Migrations run once each, in order, and notice edits."""

from __future__ import annotations

import psycopg
import pytest

from exchange.model.errors import ContentError
from exchange.repository.database.migrate import migrate


def test_a_migrated_database_needs_nothing_more(database):
    assert migrate(database) == []


def test_an_edited_migration_is_refused(database):
    with psycopg.connect(database) as conn:
        conn.execute("UPDATE migration SET digest = 'other' WHERE name LIKE '001%'")
    with pytest.raises(ContentError, match="001_repository"):
        migrate(database)


def test_an_empty_database_gets_every_file_in_order(database_server):
    from exchange.repository.database import embedded

    with psycopg.connect(database_server, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS migrate_from_nothing")
    applied = migrate(embedded.ensure_database(database_server, "migrate_from_nothing"))
    assert applied == sorted(applied)
    assert applied[0] == "001_repository.sql"
