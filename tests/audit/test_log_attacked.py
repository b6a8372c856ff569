"""The log under values that no program of ours writes: each is named, and the verification itself goes on."""

from __future__ import annotations

import pytest

from exchange.audit import seal, verify
from exchange.crypto import new_signing_key, public_key


@pytest.fixture
def sealed(log, write, patients, private_key, at, tmp_path):
    """Twenty records under two seals, in the database and in the file outside."""
    seal(log, private_key, at, tmp_path / "anchor.jsonl")
    write(log, patients)
    log.commit()
    seal(log, private_key, at.replace(hour=18), tmp_path / "anchor.jsonl")
    return log


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_seal SET sealed = 'infinity' WHERE sequence = 10",
        "UPDATE audit_seal SET sealed = '-infinity' WHERE sequence = 10",
        "UPDATE audit_seal SET sealed = '20000-01-01' WHERE sequence = 10",
        "UPDATE audit_seal SET sealed = '4000-01-01 BC' WHERE sequence = 20",
        "UPDATE audit_seal SET signature = '' WHERE sequence = 10",
        "UPDATE audit_seal SET hash = '', root = '' WHERE sequence = 10",
        "UPDATE audit_seal SET first = NULL, root = NULL WHERE sequence = 10",
        "UPDATE audit_seal SET first = -9223372036854775808 WHERE sequence = 10",
        "UPDATE audit_seal SET first = 9223372036854775807 WHERE sequence = 10",
        "UPDATE audit_seal SET sequence = -1 WHERE sequence = 10",
        "UPDATE audit_seal SET sequence = 9223372036854775807 WHERE sequence = 10",
        "DELETE FROM audit_seal",
        "DELETE FROM audit_seal WHERE sequence = 10",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET sequence = -5, hash = ''",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE sequence = 20",
        "UPDATE audit_event SET sequence = 9223372036854775807 WHERE sequence = 20",
        "UPDATE audit_event SET sequence = -9223372036854775808 WHERE sequence = 20",
        "UPDATE audit_event SET body = '7' WHERE sequence = 4",
        "UPDATE audit_event SET body = 'null' WHERE sequence = 4",
        "UPDATE audit_event SET hash = '', previous = '' WHERE sequence = 4",
        "UPDATE audit_event SET kind = '' WHERE sequence = 4",
        "UPDATE audit_event SET sequence = sequence + 100",
        "INSERT INTO audit_tombstone VALUES (1, 10, '', '{}', NULL, 'infinity', '')",
        "INSERT INTO audit_tombstone VALUES (1, 10, '', '{}', NULL, '20000-01-01', '')",
        "INSERT INTO audit_tombstone VALUES (-3, 1000000, '', '{}', NULL, now(), '')",
    ],
)
def test_it_is_named_and_nothing_breaks(sealed, intruder, verification_key, tmp_path, statement):
    anchor = tmp_path / "anchor.jsonl"
    assert verify(sealed, verification_key, anchor) == []
    intruder.execute(statement)
    try:
        assert verify(sealed, verification_key, anchor)
    finally:
        intruder.execute("INSERT INTO audit_head (sequence, hash) VALUES (0, '') ON CONFLICT DO NOTHING")


@pytest.mark.parametrize("length", [0, 1, 100, 400, -1])
def test_an_anchor_file_that_was_cut_is_named_and_everything_else_is_looked_at(
    sealed, intruder, verification_key, tmp_path, length
):
    anchor = tmp_path / "anchor.jsonl"
    anchor.write_bytes(anchor.read_bytes()[:length] if length else b"")
    cut = [f.kind for f in verify(sealed, verification_key, anchor)]
    assert set(cut) <= {"anchor", "seal"}
    assert cut or length == -1, "the end of the last line is no part of a seal"
    intruder.execute("UPDATE audit_event SET kind = 'read' WHERE sequence = 4")
    assert ("changed", 4) in [(f.kind, f.sequence) for f in verify(sealed, verification_key, anchor)]


def test_a_torn_line_stays_a_line_of_its_own_when_the_next_seal_is_written(
    sealed, write, patients, private_key, verification_key, at, tmp_path
):
    anchor = tmp_path / "anchor.jsonl"
    with anchor.open("ab") as file:
        file.write(b'{"sequence": 3')
    write(sealed, patients[:1])
    sealed.commit()
    seal(sealed, private_key, at.replace(hour=19), anchor)
    assert [(f.kind, f.sequence) for f in verify(sealed, verification_key, anchor)] == [("anchor", 3)]


def test_another_key_made_none_of_the_seals(sealed, tmp_path):
    found = verify(sealed, public_key(new_signing_key()), tmp_path / "anchor.jsonl")
    assert {(f.kind, f.detail) for f in found} == {("seal", "the signature of the seal is not ours")}


def test_an_older_state_of_the_database_is_told_by_the_file_outside(
    sealed, intruder, verification_key, tmp_path
):
    """As a restored backup would be: everything in it fits, and it ends too early."""
    intruder.execute("DELETE FROM audit_event WHERE sequence > 10")
    intruder.execute("DELETE FROM audit_seal WHERE sequence > 10")
    intruder.execute(
        "UPDATE audit_head SET sequence = 10, hash = (SELECT hash FROM audit_event WHERE sequence = 10)"
    )
    assert verify(sealed, verification_key) == []
    found = verify(sealed, verification_key, tmp_path / "anchor.jsonl")
    assert ("removed", 11, 20) in [(f.kind, f.sequence, f.last) for f in found]
