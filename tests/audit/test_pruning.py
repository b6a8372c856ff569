"""Records whose time is over go, held ones stay, and nobody passes his own removal off as one of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from exchange.audit import prove, proves, prune, seal, verify
from exchange.audit.chain import link
from exchange.audit.tombstones import read_tombstones, statement
from exchange.crypto import new_signing_key, sign
from exchange.model.errors import ContentError

THEN = datetime(2018, 6, 1, 17, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 17, 0, tzinfo=UTC)


@pytest.fixture
def at():
    return THEN


@pytest.fixture
def anchor(tmp_path):
    return tmp_path / "anchor.jsonl"


@pytest.fixture
def old(log, write, patients, private_key, anchor):
    """Two seals over ten and ten records of 2018, a third over ten of 2026 and ten without a seal."""
    for sealed in (THEN, THEN + timedelta(hours=1), NOW):
        seal(log, private_key, sealed, anchor)
        write(log, patients)
        log.commit()
    return log


def _hold(conn, patient):
    conn.execute(
        "INSERT INTO legal_hold (patient, reason, since, set_by) VALUES (%s, 'a court', %s, 'anna')",
        (patient, NOW),
    )
    conn.commit()


def _numbers(conn):
    found = [row[0] for row in conn.execute("SELECT sequence FROM audit_event ORDER BY 1")]
    conn.commit()
    return found


def _found(conn, key, anchor):
    return sorted({(f.kind, f.sequence, f.last) for f in verify(conn, key, anchor)})


def test_what_is_old_goes_and_the_rest_is_proved_as_before(old, private_key, verification_key, anchor):
    before = json.loads(json.dumps(prove(old, 4)))
    old.commit()
    stones = prune(old, private_key, NOW)
    assert [(s.first, s.last, s.kept) for s in stones] == [(1, 10, ()), (11, 20, ())]
    assert _numbers(old) == [*range(21, 42)]
    assert _found(old, verification_key, anchor) == []
    assert proves(before, verification_key) is None
    with pytest.raises(ContentError, match="its time was over on 2026-06-01"):
        prove(old, 4)
    told = old.execute("SELECT kind, body ->> 'outcomeDesc' FROM audit_event WHERE sequence = 41").fetchone()
    assert told == ("log.pruned", "records 1 to 20: their time was over; 0 of them are held")
    old.commit()
    assert prune(old, private_key, NOW) == []


def test_a_held_person_s_records_stay_and_can_be_proved(old, patients, private_key, verification_key, anchor):
    _hold(old, patients[3])
    prune(old, private_key, NOW)
    assert _numbers(old) == [4, 14, *range(21, 42)]
    assert _found(old, verification_key, anchor) == []
    assert proves(json.loads(json.dumps(prove(old, 14))), verification_key) is None
    old.execute("UPDATE legal_hold SET lifted = %s, lifted_by = 'anna'", (NOW,))
    old.commit()
    later = NOW + timedelta(days=1)
    assert [s.kept for s in prune(old, private_key, later)] == [(), ()]
    assert _numbers(old) == [*range(21, 43)]
    assert _found(old, verification_key, anchor) == []


def test_a_hold_of_a_person_holds_what_is_recorded_under_every_id(old, patients, private_key):
    """Linked charts have ids of their own, and recipients know a person by a golden one."""
    old.execute(
        "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
        " VALUES (%(a)s, %(b)s, 'x', %(a)s, '{}'), (%(c)s, %(d)s, 'y', %(a)s, '{}')",
        dict(zip("abcd", patients[:4], strict=True)),
    )
    _hold(old, patients[2])
    prune(old, private_key, NOW)
    assert _numbers(old)[:8] == [1, 2, 3, 4, 11, 12, 13, 14]


def test_a_hold_of_everything_stops_it(old, private_key):
    _hold(old, None)
    assert prune(old, private_key, NOW) == []
    assert len(_numbers(old)) == 40


def test_what_an_officer_s_open_work_rests_on_stays(old, private_key):
    old.execute(
        "INSERT INTO access_watch (kind, participant, role, day, measured, usual, first_event, last_event,"
        " found) VALUES ('volume', 'lakeside_hospital', '', '2018-06-01', 1, 1, 12, 13, %s)",
        (NOW,),
    )
    old.commit()
    prune(old, private_key, NOW)
    assert _numbers(old)[:3] == [12, 13, 21]


@pytest.mark.parametrize("years", [0, 5])
def test_fewer_years_than_the_law_asks_for_are_refused(old, private_key, years):
    with pytest.raises(ContentError, match="6 years at least"):
        prune(old, private_key, NOW, years)


def test_six_years_are_six_years(old, private_key):
    at = datetime(2024, 6, 1, 17, 30, tzinfo=UTC)
    assert [s.last for s in prune(old, private_key, at)] == [10]
    assert prune(old, private_key, at, 7) == []


def test_what_was_tampered_with_does_not_go(old, intruder, private_key):
    """Its removal would remove what shows it."""
    intruder.execute("UPDATE audit_event SET hash = sha256(hash) WHERE sequence = 4")
    with pytest.raises(ContentError, match="not as they were sealed"):
        prune(old, private_key, NOW)
    assert len(_numbers(old)) == 40


def _stone(conn, private_key, key, **changes):
    """A tombstone as the first seal's would be, with changes, signed and written past the triggers."""
    prune(conn, private_key, NOW)
    (first, _) = read_tombstones(conn)
    conn.commit()
    made = replace(first, **changes)
    return replace(made, signature=sign(statement(made), key))


_PUT = (
    "UPDATE audit_tombstone SET kept = %s, hashes = %s, pruned = %s, signature = %s, root = %s"
    " WHERE first = 1"
)


def _put(intruder, stone):
    intruder.execute(_PUT, (list(stone.kept), stone.hashes, stone.pruned, stone.signature, stone.root))


def test_a_tombstone_of_another_key_accounts_for_nothing(
    old, intruder, private_key, verification_key, anchor
):
    _put(intruder, _stone(old, private_key, new_signing_key()))
    assert _found(old, verification_key, anchor) == [("removed", 1, 10), ("seal", 1, 10)]


def test_a_tombstone_that_is_too_early_accounts_for_nothing(
    old, intruder, private_key, verification_key, anchor
):
    """Even one that our own key signed, by whoever got hold of it."""
    _put(intruder, _stone(old, private_key, private_key, pruned=datetime(2024, 6, 1, 16, 59, tzinfo=UTC)))
    assert _found(old, verification_key, anchor) == [("removed", 1, 10), ("seal", 1, 10)]


def test_a_tombstone_that_is_taken_away_accounts_for_nothing(
    old, intruder, private_key, verification_key, anchor
):
    prune(old, private_key, NOW)
    intruder.execute("DELETE FROM audit_tombstone WHERE first = 1")
    assert _found(old, verification_key, anchor)[0] == ("removed", 1, 10)


def test_a_held_record_that_is_taken_away_is_named(
    old, intruder, patients, private_key, verification_key, anchor
):
    _hold(old, patients[3])
    prune(old, private_key, NOW)
    intruder.execute("DELETE FROM audit_event WHERE sequence = 4")
    assert _found(old, verification_key, anchor) == [("removed", 4, 4)]


def test_a_held_record_rewritten_with_fitting_hashes_is_named(
    old, intruder, patients, private_key, verification_key, anchor
):
    _hold(old, patients[3])
    prune(old, private_key, NOW)
    row = old.execute(
        "SELECT previous, participant, patient::text, body::text FROM audit_event WHERE sequence = 4"
    ).fetchone()
    old.commit()
    digest = link(row[0], 4, ["read", *row[1:]])
    intruder.execute("UPDATE audit_event SET kind = 'read', hash = %s WHERE sequence = 4", (digest,))
    assert _found(old, verification_key, anchor) == [("changed", 4, 4)]


def test_a_record_put_in_where_one_was_pruned_is_named(old, intruder, private_key, verification_key, anchor):
    rows = old.execute("SELECT * FROM audit_event WHERE sequence = 4").fetchall()
    old.commit()
    prune(old, private_key, NOW)
    intruder.execute(
        "INSERT INTO audit_event SELECT 4, kind, participant, patient, body, previous, sha256(hash)"
        " FROM audit_event WHERE sequence = 24"
    )
    assert len(rows) == 1
    assert _found(old, verification_key, anchor) == [("inserted", 4, 4)]


def test_the_first_record_after_those_pruned_is_held_to_their_seal(
    old, intruder, private_key, verification_key, anchor
):
    prune(old, private_key, NOW)
    intruder.execute(
        "UPDATE audit_event SET previous = sha256(previous), hash = audit_hash(sha256(previous), sequence,"
        " kind, participant, patient, body) WHERE sequence = 21"
    )
    assert ("changed", 21, 21) in _found(old, verification_key, anchor)


@pytest.mark.parametrize(
    "change",
    [
        "first = first + 1", "last = 20", "root = set_byte(root, 7, get_byte(root, 7) # 1)", "kept = '{5}'",
        "hashes = set_byte(hashes, 70, get_byte(hashes, 70) # 1)", "pruned = pruned - interval '1 us'",
        "signature = set_byte(signature, 9, get_byte(signature, 9) # 1)",
    ],
)  # fmt: skip
def test_no_bit_of_a_tombstone_can_be_changed(
    old, intruder, patients, private_key, verification_key, anchor, change
):
    _hold(old, patients[3])
    prune(old, private_key, NOW)
    intruder.execute("ALTER TABLE audit_tombstone DROP CONSTRAINT IF EXISTS audit_tombstone_check1")
    intruder.execute(f"UPDATE audit_tombstone SET {change} WHERE first = 1")
    assert ("seal", 1) in {f[:2] for f in _found(old, verification_key, anchor)} or ("seal", 2) in {
        f[:2] for f in _found(old, verification_key, anchor)
    }


@pytest.mark.parametrize(
    ("patient", "pruned", "told"),
    [(None, "2024-01-01", "six years"), (3, "2026-06-01", "held"), (None, "2199-01-01", "are held")],
)
def test_the_database_itself_refuses_a_tombstone_that_may_not_be(old, patients, patient, pruned, told):
    """Whoever writes one: too early by its own word or by the clock, or over what is held."""
    if patient is not None:
        _hold(old, patients[patient])
    if pruned.startswith("2199"):
        _hold(old, None)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=told):
        old.execute(
            "INSERT INTO audit_tombstone SELECT first, sequence, root, '{}', NULL, %s, signature"
            " FROM audit_seal WHERE sequence = 10",
            (pruned,),
        )
    old.rollback()


def test_the_database_lets_no_record_go_without_a_tombstone(old, patients, private_key):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        old.execute("DELETE FROM audit_event WHERE sequence = 4")
    old.rollback()
    _hold(old, patients[3])
    prune(old, private_key, NOW)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        old.execute("DELETE FROM audit_event WHERE sequence = 4")
    old.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        old.execute("DELETE FROM audit_tombstone")
    old.rollback()


def test_what_follows_those_pruned_cannot_be_another_chain_even_before_it_is_sealed(
    log, intruder, private_key, verification_key
):
    """A whole new end with fitting hashes: only the seal of what was pruned says where it has to begin."""
    seal(log, private_key, THEN)
    prune(log, private_key, NOW)
    intruder.execute(
        "UPDATE audit_event SET previous = sha256(previous), hash = audit_hash(sha256(previous), sequence,"
        " kind, participant, patient, body)"
    )
    intruder.execute("UPDATE audit_head SET hash = (SELECT hash FROM audit_event)")
    assert _found(log, verification_key, None) == [("changed", 11, 11)]


def test_six_years_from_the_29th_of_february_end_on_the_first_of_march(log, private_key, verification_key):
    seal(log, private_key, datetime(2016, 2, 29, 12, tzinfo=UTC))
    assert prune(log, private_key, datetime(2022, 2, 28, 13, tzinfo=UTC)) == []
    assert len(prune(log, private_key, datetime(2022, 3, 1, 13, tzinfo=UTC))) == 1
    assert _found(log, verification_key, None) == []
