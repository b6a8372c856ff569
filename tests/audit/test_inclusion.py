"""One record can be proved without the others; a single bit anywhere is noticed."""

from __future__ import annotations

import copy
import json
import random
from hashlib import sha256

import psycopg
import pytest

from exchange.audit import prove, proves, seal, verify
from exchange.audit.merkle import leads_to, path, root
from exchange.crypto import new_signing_key, public_key
from exchange.model.errors import ContentError


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 13, 64, 100])
def test_every_leaf_leads_to_the_root_and_to_no_other(size):
    leaves = [sha256(str(n).encode()).digest() for n in range(size)]
    top = root(leaves)
    for index, leaf in enumerate(leaves):
        found = path(leaves, index)
        assert leads_to(leaf, index, size, found) == top
        assert leads_to(sha256(leaf).digest(), index, size, found) != top
        if size > 1:
            assert leads_to(leaf, (index + 1) % size, size, found) != top
            assert leads_to(leaf, index, size, found[:-1]) != top


def test_a_node_is_not_taken_for_a_leaf():
    leaves = [b"a", b"b", b"c", b"d"]
    inner = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    forged = [inner[0] + inner[1], inner[2] + inner[3]]
    assert root(forged) != root(leaves)


@pytest.fixture
def sealed(log, write, patients, private_key, at, tmp_path):
    """Two seals over ten and ten records, and one record more."""
    anchor = tmp_path / "anchor.jsonl"
    seal(log, private_key, at, anchor)
    write(log, patients)
    log.commit()
    seal(log, private_key, at, anchor)
    write(log, patients[:1])
    log.commit()
    return log


@pytest.mark.parametrize("sequence", [1, 4, 10, 11, 20])
def test_a_record_under_a_seal_is_proved(sealed, verification_key, sequence):
    proof = json.loads(json.dumps(prove(sealed, sequence)))
    assert proves(proof, verification_key) is None
    assert proves(proof, public_key(new_signing_key())) == "the signature of the seal is not of this key"


def test_a_record_not_sealed_yet_is_told(sealed):
    with pytest.raises(ContentError, match="seal first"):
        prove(sealed, 21)
    with pytest.raises(ContentError, match="no record of that number"):
        prove(sealed, 99)


def _leaves(node, where=()):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, (*where, name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _leaves(value, (*where, place))
    else:
        yield where, node


def test_a_proof_with_anything_changed_proves_nothing(sealed, verification_key):
    proof = prove(sealed, 4)
    for where, value in _leaves(proof):
        spoilt = copy.deepcopy(proof)
        node = spoilt
        for name in where[:-1]:
            node = node[name]
        node[where[-1]] = (
            value + 1 if isinstance(value, int) else f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"
        )
        assert proves(spoilt, verification_key) is not None, where
    assert proves({}, verification_key) is not None


COLUMNS = {
    "audit_event": ["sequence", "kind", "participant", "patient", "body", "previous", "hash"],
    "audit_seal": ["sequence", "hash", "sealed", "signature", "first", "root"],
    "audit_head": ["sequence", "hash"],
}
FLIPPED = {
    "bigint": "{c} # (1::bigint << {bit})",
    "bytea": "set_bit({c}, {bit} % (length({c}) * 8), 1 - get_bit({c}, {bit} % (length({c}) * 8)))",
    "text": "convert_from(set_byte(convert_to({c}, 'UTF8'), {bit} % length({c}),"
    " get_byte(convert_to({c}, 'UTF8'), {bit} % length({c})) # 1), 'UTF8')",
    "json": "convert_from(set_byte(convert_to({c}::text, 'UTF8'), position('Lakeside' in {c}::text),"
    " get_byte(convert_to({c}::text, 'UTF8'), position('Lakeside' in {c}::text)) # 1), 'UTF8')::json",
    "uuid": "overlay({c}::text placing translate(substr({c}::text, 36, 1), '0123456789', '1032547698')"
    " from 36)::uuid",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in COLUMNS.items() for c in columns])
def test_a_single_bit_of_any_column_is_noticed(table, column, sealed, database, verification_key, tmp_path):
    kind = sealed.execute(
        "SELECT data_type FROM information_schema.columns WHERE (table_name, column_name) = (%s, %s)",
        (table, column),
    ).fetchone()[0]
    sealed.commit()
    anchor, chance = tmp_path / "anchor.jsonl", random.Random(f"{table}.{column}")
    assert verify(sealed, verification_key, anchor) == []
    where = {"audit_event": "sequence = 4", "audit_seal": "sequence = 20", "audit_head": "true"}[table]
    with psycopg.connect(database) as intruder:
        intruder.execute("SET session_replication_role = replica")
        flip = FLIPPED[kind].format(c=column, bit=chance.randrange(5, 8))
        changed = intruder.execute(f"UPDATE {table} SET {column} = {flip} WHERE {where}")
        assert changed.rowcount == 1
    found = verify(sealed, verification_key, anchor)
    assert found
    if table == "audit_event":
        assert any(f.sequence <= 4 <= f.last for f in found)


def test_a_single_bit_of_the_file_outside_is_noticed(sealed, verification_key, tmp_path):
    anchor = tmp_path / "anchor.jsonl"
    whole = anchor.read_bytes()
    for place in range(0, len(whole) * 8 - 8, 37):  # the last line's end apart
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        anchor.write_bytes(spoilt)
        assert verify(sealed, verification_key, anchor), place


def test_a_missing_participant_is_not_an_empty_one(sealed, database, verification_key):
    with psycopg.connect(database) as intruder:
        intruder.execute("SET session_replication_role = replica")
        intruder.execute(
            "UPDATE audit_event SET participant = NULL,"
            " hash = audit_hash(previous, sequence, kind, NULL, patient, body) WHERE sequence = 21"
        )
        intruder.execute("UPDATE audit_head SET hash = (SELECT hash FROM audit_event WHERE sequence = 21)")
        intruder.execute("UPDATE audit_event SET participant = '' WHERE sequence = 21")
    assert [(f.kind, f.sequence) for f in verify(sealed, verification_key)] == [("changed", 21)]
