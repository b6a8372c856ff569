"""Migrations run once each, in order, and notice edits."""

from __future__ import annotations

from datetime import timedelta

import orjson
import psycopg
import pytest
from repository_world import AT, BASE, HOSPITAL, KEY, observation
from test_reprofile import consent

from exchange.model.errors import ContentError
from exchange.pipeline.ledger import STEPS
from exchange.repository import history, stored_name, version_id
from exchange.repository.database.migrate import migrate


def test_a_migrated_database_needs_nothing_more(database):
    assert migrate(database) == []


def test_an_edited_migration_is_refused(database):
    edited = "UPDATE migration SET digest = %s || digest WHERE name LIKE '001%%'"
    with psycopg.connect(database) as conn:
        conn.execute(edited, ["x"])
    with pytest.raises(ContentError, match="001_repository"):
        migrate(database)
    with psycopg.connect(database) as conn:  # another test may get this database
        conn.execute("UPDATE migration SET digest = ltrim(digest, 'x')")


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


NUMBERED = """
UPDATE {} SET updated = date_trunc('second', updated) + {}, body = convert_to(replace(
    convert_from(body, 'UTF8'), format('"versionId":"%s"', (extract(epoch FROM updated) * 1000000)::bigint),
    format('"versionId":"%s"', version)), 'UTF8')
"""


def test_versions_that_had_numbers_are_named_by_their_moments(world, database):
    """Also those of one batch, which had one moment; a number elsewhere in the record stays."""
    patient = world.patient("hospital", "1")
    inner = {"resourceType": "Patient", "id": "p", "meta": {"versionId": "2"}}
    for second, statuses in enumerate((("preliminary",), ("final", "amended", "corrected"))):
        world.at = AT + timedelta(seconds=second)
        said = {"contained": [inner], "note": [{"text": '"versionId":"2"'}]}
        bodies = [observation("hospital", patient, "a", status=s, **said) for s in statuses]
        world.publish(*(world.item("hospital", body) for body in bodies))
    key = bodies[0]["id"]
    late = "interval '0'"
    world.conn.execute(NUMBERED.format("resource", late))
    world.conn.execute(
        NUMBERED.format("resource_history", "CASE WHEN version > 1 THEN interval '1 s' ELSE '0' END")
    )
    world.conn.execute("SET session_replication_role = replica")
    world.conn.execute(
        "INSERT INTO receipt_item (receipt, type, fhir_id, version, classes) VALUES"
        " (1, 'Observation', %(k)s, '1', '{}'), (2, 'Observation', %(k)s, '4', '{}'),"
        " (2, 'Provenance', %(k)s, '3', '{}'), (2, 'Patient', %(p)s, 'b5d1', '{}')",
        {"k": key, "p": patient},
    )
    world.conn.execute("SET session_replication_role = DEFAULT")
    world.conn.execute("DELETE FROM migration WHERE name = '142_versions_by_moment.sql'")
    world.conn.commit()
    assert migrate(database) == ["142_versions_by_moment.sql"]
    moments = [AT, *(AT + timedelta(seconds=1, microseconds=-n) for n in (2, 1, 0))]
    names = [version_id(at) for at in moments]
    with world.as_viewer(HOSPITAL) as view:
        entries = history(view, "Observation", key, [], BASE, KEY).entries
    found = [orjson.loads(entry.body) for entry in reversed(entries)]
    assert [body["status"] for body in found] == ["preliminary", "final", "amended", "corrected"]
    assert [body["meta"]["versionId"] for body in found] == [e.version for e in reversed(entries)]
    assert [stored_name(entry.version) for entry in reversed(entries)] == names
    assert [body["meta"]["lastUpdated"][17:23] for body in found] == ["00.000", "00.999", "00.999", "01.000"]
    assert {body["contained"][0]["meta"]["versionId"] for body in found} == {"2"}
    assert {body["note"][0]["text"] for body in found} == {'"versionId":"2"'}
    rows = world.conn.execute("SELECT version FROM receipt_item ORDER BY receipt, type").fetchall()
    assert [version for (version,) in rows] == [names[0], names[3], "b5d1", names[2]]


@pytest.mark.parametrize(
    ("giver", "by"),
    [
        ({"reference": "#her"}, "other"),
        ({"type": "RelatedPerson", "identifier": {"value": "7"}}, "other"),
        ({"reference": "#him"}, ""),
        ({"type": "Practitioner", "identifier": {"value": "7"}}, ""),
    ],
)
def test_who_gave_a_stored_consent_is_known_where_it_contains_him(world, database, giver, by):
    inner = [{"resourceType": "RelatedPerson", "id": "her"}, {"resourceType": "Practitioner", "id": "him"}]
    said = consent(world.patient("hospital", "1"), "permit", performer=[giver], contained=inner)
    world.publish(world.item("hospital", said))
    world.conn.execute('UPDATE directive SET body = body || \'{"by": ""}\'')
    world.conn.execute("DELETE FROM migration WHERE name = '179_givers_not_named_by_address.sql'")
    world.conn.commit()
    assert migrate(database) == ["179_givers_not_named_by_address.sql"]
    assert world.conn.execute("SELECT body ->> 'by' FROM directive").fetchall() == [(by,)]
