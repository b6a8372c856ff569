"""The chain is append-only, and what was tampered with is named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from exchange.audit import AuditFailed, append, seal, verify
from exchange.audit.chain import link
from exchange.audit.events import Entry


def found(conn, key, anchor=None):
    return [(f.kind, f.sequence, f.last) for f in verify(conn, key, anchor)]


def rewrite(conn, start):
    """Gives every record from `start` a fitting hash, as a clever intruder would."""
    rows = conn.execute(
        "SELECT sequence, kind, participant, patient::text, body::text FROM audit_event ORDER BY sequence"
    ).fetchall()
    previous = bytes(32)
    for sequence, *content in rows:
        digest = link(previous, sequence, content)
        if sequence >= start:
            conn.execute(
                "UPDATE audit_event SET previous = %s, hash = %s WHERE sequence = %s",
                (previous, digest, sequence),
            )
        previous = digest
    conn.execute("UPDATE audit_head SET sequence = %s, hash = %s", (len(rows), previous))


def test_an_untouched_log_has_no_findings(log, verification_key, private_key, at):
    seal(log, private_key, at)
    assert found(log, verification_key) == []


def test_an_empty_log_has_no_findings(connection, verification_key):
    assert found(connection, verification_key) == []


def test_the_hash_of_the_database_is_the_hash_that_verification_computes(log):
    row = log.execute(
        "SELECT previous, sequence, kind, participant, patient::text, body::text, hash FROM audit_event"
    ).fetchone()
    assert link(*row[:2], row[2:6]) == row[6]


@pytest.mark.parametrize(
    "change",
    [
        "body = replace(body::text, 'Lakeside', 'Lakeview')::json",
        "body = (body::text || ' ')::json",
        "kind = 'read'",
        "participant = 'north_shelter'",
        "participant = NULL",
        "patient = NULL",
        "hash = sha256(hash)",
        "previous = sha256(previous)",
    ],
)
def test_a_changed_record_is_named(log, intruder, verification_key, change):
    intruder.execute(f"UPDATE audit_event SET {change} WHERE sequence = 4")
    assert ("changed", 4, 4) in found(log, verification_key)


def test_a_changed_record_with_a_new_hash_is_named_by_its_successor(log, intruder, verification_key):
    intruder.execute(
        "UPDATE audit_event SET kind = 'read',"
        " hash = audit_hash(previous, sequence, 'read', participant, patient, body) WHERE sequence = 4"
    )
    assert found(log, verification_key) == [("changed", 4, 4)]


def test_the_last_record_with_a_new_hash_is_named_by_the_head(log, intruder, verification_key):
    intruder.execute(
        "UPDATE audit_event SET kind = 'read',"
        " hash = audit_hash(previous, sequence, 'read', participant, patient, body) WHERE sequence = 10"
    )
    assert found(log, verification_key) == [("changed", 10, 10)]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (4, 6), (10, 10)])
def test_removed_records_are_named(log, intruder, verification_key, first, last):
    intruder.execute("DELETE FROM audit_event WHERE sequence BETWEEN %s AND %s", (first, last))
    assert found(log, verification_key) == [("removed", first, last)]


def test_two_records_that_changed_places_are_named(log, intruder, verification_key):
    intruder.execute(
        "WITH numbers (old, new) AS (VALUES (3, 70), (7, 3)) UPDATE audit_event"
        " SET sequence = new FROM numbers WHERE sequence = old AND old = 3"
    )
    intruder.execute("UPDATE audit_event SET sequence = 3 WHERE sequence = 7")
    intruder.execute("UPDATE audit_event SET sequence = 7 WHERE sequence = 70")
    assert found(log, verification_key) == [("reordered", 3, 3), ("reordered", 7, 7)]


def test_two_bodies_that_changed_places_are_named(log, intruder, verification_key):
    intruder.execute(
        "UPDATE audit_event AS a SET body = b.body, patient = b.patient FROM audit_event AS b"
        " WHERE (a.sequence, b.sequence) IN ((3, 7), (7, 3))"
    )
    assert found(log, verification_key) == [("reordered", 3, 3), ("reordered", 7, 7)]


@pytest.mark.parametrize("sequence", [0, -3, 11])
def test_an_inserted_record_is_named(log, intruder, verification_key, sequence):
    intruder.execute(
        "INSERT INTO audit_event SELECT %(at)s, kind, participant, patient, body, hash,"
        " audit_hash(hash, %(at)s, kind, participant, patient, body) FROM audit_event WHERE sequence = 10",
        {"at": sequence},
    )
    assert ("inserted", sequence, sequence) in found(log, verification_key)


def test_a_chain_rewritten_with_fitting_hashes_is_found_by_its_seal(
    log, intruder, verification_key, private_key, at
):
    seal(log, private_key, at)
    intruder.execute("UPDATE audit_event SET kind = 'read' WHERE sequence = 4")
    rewrite(intruder, 4)
    assert found(log, verification_key) == [("rewritten", 1, 10)]


def test_a_shortened_chain_with_a_fitting_head_is_found_by_its_seal(
    log, intruder, verification_key, private_key, at
):
    seal(log, private_key, at)
    intruder.execute("DELETE FROM audit_event WHERE sequence > 8")
    rewrite(intruder, 9)
    assert found(log, verification_key) == [("removed", 9, 10)]


def test_a_rewritten_chain_without_its_seal_is_found_by_the_anchor(
    log, intruder, verification_key, private_key, tmp_path, at
):
    seal(log, private_key, at, tmp_path / "anchor")
    intruder.execute("DELETE FROM audit_seal")
    intruder.execute("UPDATE audit_event SET kind = 'read' WHERE sequence = 4")
    rewrite(intruder, 4)
    assert found(log, verification_key, tmp_path / "anchor") == [("rewritten", 1, 10), ("seal", 10, 10)]


def test_a_forged_seal_is_found(log, intruder, verification_key, private_key, at):
    seal(log, private_key, at)
    intruder.execute("UPDATE audit_seal SET sealed = sealed + interval '1 day'")
    assert found(log, verification_key) == [("seal", 10, 10)]


def test_only_what_follows_the_last_fitting_seal_is_called_rewritten(
    log, intruder, verification_key, private_key, at, write, patients
):
    seal(log, private_key, at)
    write(log, patients[:2])
    log.commit()
    seal(log, private_key, at)
    intruder.execute("UPDATE audit_event SET kind = 'read' WHERE sequence = 12")
    rewrite(intruder, 12)
    assert found(log, verification_key) == [("rewritten", 11, 12)]


def test_sealing_again_without_news_gives_the_same_seal(log, private_key, tmp_path, at):
    first = seal(log, private_key, at)
    again = seal(log, private_key, at.replace(hour=18), tmp_path / "keys" / "anchor")
    assert again == first
    assert (tmp_path / "keys" / "anchor").read_text().count("\n") == 1


def test_a_broken_line_of_the_anchor_file_is_named(log, verification_key, tmp_path):
    (tmp_path / "anchor").write_text('{"sequence": 1}\n')
    (found,) = verify(log, verification_key, tmp_path / "anchor")
    assert (found.kind, found.sequence) == ("anchor", 1)


@pytest.mark.parametrize("table", ["audit_event", "audit_seal"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET hash = hash"])
def test_not_even_the_owner_changes_the_log_by_mistake(log, table, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        log.execute(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit_event",
        "SELECT * FROM audit_head",
        "INSERT INTO audit_event VALUES (11, 'read', NULL, NULL, '{}', '', '')",
        "UPDATE audit_event SET kind = 'read'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "UPDATE audit_head SET sequence = 0",
        "DELETE FROM audit_seal",
        "DELETE FROM revoked_token",
        "UPDATE client SET scopes = '{}'",
    ],
)
def test_the_api_may_only_append(log, statement):
    log.execute("SET LOCAL ROLE exchange_api")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        log.execute(statement)


def test_whatever_a_request_says_is_kept_to_the_letter(connection, verification_key):
    """Signs that mean something in an array, in JSON or to nobody."""
    said = [
        'a"b',
        "\\",
        '\\"},{',
        "NULL",
        "{}",
        "a,b",
        "line\nline",
        "\u00e9\u200b\U0001f600",
        "'",
        "\t ",
        "",
    ]
    patients = [None, "00000000-0000-4000-8000-000000000001"]
    entries = [
        Entry("query", participant, patient, {"said": text})
        for text in said
        for participant in ("lakeside_hospital", None)
        for patient in patients
    ]
    append(connection, entries)
    rows = connection.execute(
        "SELECT kind, participant, patient::text, body FROM audit_event ORDER BY sequence"
    ).fetchall()
    connection.commit()
    assert rows == [(e.kind, e.participant, e.patient, e.event) for e in entries]
    assert found(connection, verification_key) == []


def test_what_is_rolled_back_leaves_no_gap(log, verification_key, write, patients):
    write(log, patients)
    log.rollback()
    write(log, patients)
    log.commit()
    assert found(log, verification_key) == []


def test_a_record_that_cannot_be_written_raises_without_quoting_it(log, write):
    with pytest.raises(AuditFailed) as failure:
        write(log, ["not-a-uuid-of-Melody"])
    assert "Melody" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_concurrent_writers_make_one_chain(database, log, verification_key, write, patients):
    def write_three(_):
        with psycopg.connect(database) as conn:
            write(conn, patients[:3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_three, range(24)))
    assert log.execute("SELECT max(sequence) FROM audit_event").fetchone() == (82,)
    log.rollback()
    assert found(log, verification_key) == []


def test_an_anchor_file_that_lost_a_seal_is_found(
    log, verification_key, private_key, at, write, patients, tmp_path
):
    anchor = tmp_path / "anchor"
    seal(log, private_key, at, anchor)
    write(log, patients[:1])
    log.commit()
    seal(log, private_key, at, anchor)
    anchor.write_text(anchor.read_text().splitlines()[1] + "\n")
    assert found(log, verification_key, anchor) == [("seal", 10, 10)]


def test_a_seal_on_its_way_to_the_anchor_file_is_no_finding(log, verification_key, private_key, at, tmp_path):
    seal(log, private_key, at)
    assert found(log, verification_key, tmp_path / "anchor") == []


def _flipped(column, byte):
    return f"{column} = set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)"


_BITS = [
    *(("audit_event", f"{column} = {column} # 1") for column in ("sequence",)),
    ("audit_event", "patient = '00000000-0000-4000-8000-00000000ffff'"),
    *(("audit_event", _flipped(column, byte)) for column in ("previous", "hash") for byte in (0, 31)),
    *(("audit_seal", f"{column} = {column} # 1") for column in ("sequence", "first")),
    ("audit_seal", "sealed = sealed + interval '1 us'"),
    *(("audit_seal", _flipped(column, byte)) for column in ("hash", "root", "signature") for byte in (0, 31)),
    ("audit_head", "sequence = sequence # 1"),
    ("audit_head", _flipped("hash", 17)),
]


@pytest.mark.parametrize(("table", "change"), _BITS)
def test_no_single_bit_of_any_column_can_be_changed(
    log, intruder, verification_key, private_key, at, tmp_path, table, change
):
    seal(log, private_key, at, tmp_path / "anchor")
    where = " WHERE sequence = 10" if table == "audit_event" else ""
    intruder.execute(f"UPDATE {table} SET {change}{where}")
    assert found(log, verification_key, tmp_path / "anchor")
    if table == "audit_seal":
        assert found(log, verification_key), "without the anchor too"


def test_the_first_record_has_nothing_before_it(log, intruder, verification_key):
    """A log that was cut off at its beginning and written anew hangs on something that is not there."""
    rows = log.execute(
        "SELECT sequence, kind, participant, patient::text, body::text FROM audit_event ORDER BY sequence"
    ).fetchall()
    log.commit()
    previous = b"x" * 32
    for sequence, *content in rows:
        digest = link(previous, sequence, content)
        intruder.execute(
            "UPDATE audit_event SET previous = %s, hash = %s WHERE sequence = %s",
            (previous, digest, sequence),
        )
        previous = digest
    intruder.execute("UPDATE audit_head SET hash = %s", (previous,))
    assert found(log, verification_key) == [("changed", 1, 1)]
