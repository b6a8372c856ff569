"""Migrations run once each, in order, and notice edits."""

from __future__ import annotations

import psycopg
import pytest

from exchange.model.errors import ContentError
from exchange.pipeline.ledger import STEPS
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


def test_chunks_under_way_are_mapped_again_by_a_release_that_leaves_other_files_between_steps(database):
    """And no others: what was published stays published, and a run that was closed stays as it is."""
    with psycopg.connect(database) as conn:
        for run, status in ((1, "open"), (2, "balanced")):
            conn.execute(
                "INSERT INTO run (run, partner, status, started) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, 'p', %s, now())",
                (run, status),
            )
            chunks = [(run, number, step) for number, step in enumerate(STEPS)]
            conn.cursor().executemany("INSERT INTO chunk VALUES (%s, %s, %s, 1)", chunks)
        conn.execute("DELETE FROM migration WHERE name = '125_batches_of_people.sql'")
    assert migrate(database) == ["125_batches_of_people.sql"]
    with psycopg.connect(database) as conn:
        steps = [step for (step,) in conn.execute("SELECT step FROM chunk ORDER BY run, chunk")]
    assert steps == [*["pulled"] * 4, "published", *STEPS]
