"""Who looks at the own home or chart, or somebody of the same surname, at the console and by the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import orjson
import pytest

from exchange.audit import Disclosed, append, query_entries, token_entry, view_entries
from exchange.audit.watch import look, unusual
from exchange.model.ids import golden_id
from tests.audit.test_watch import AT, DAY

HOME = ["12", "elm street", "", "62701"]


def _lives(conn, number, *addresses, person=None):
    """A Patient at some addresses, by the id that others see."""
    fhir_id = str(UUID(int=number))
    conn.execute(
        "INSERT INTO patient (fhir_id, golden_id, partner, person, features) VALUES (%s, %s, 'elm', %s, %s)",
        (
            fhir_id, golden_id(fhir_id), str(UUID(int=person or number)),
            orjson.dumps({"addresses": addresses}).decode(),
        ),
    )  # fmt: skip
    return golden_id(fhir_id)


@pytest.fixture
def kim(connection):
    """An account whose own chart is the Patient of number 1, declared by an officer."""
    own = _lives(connection, 1, HOME)
    connection.execute(
        "INSERT INTO console_account (login, name, roles, created) VALUES ('kim', 'Kim', '{x}', now())"
        " ON CONFLICT DO NOTHING"
    )
    _declare(connection, "account kim", own)
    return own


def _declare(conn, looker, patient):
    conn.execute(
        "INSERT INTO workforce_patient (looker, patient, declared, declared_by)"
        " VALUES (%s, %s, now(), 'ann')",
        (looker, patient),
    )


def _looks(conn, *people):
    at = DAY + timedelta(hours=9)
    append(conn, view_entries("kim", ["match-steward"], "HOPERAT", "/matching", people, at))


def _found(conn):
    look(conn, DAY, AT)
    return [(u.kind, u.participant, str(u.patient)) for u in unusual(conn) if u.kind != "no-relationship"]


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        (HOME, True),
        (["12", "elm street", "2", "62701"], True),
        (["12", "elm street", "", ""], True),
        (["12", "elm street", "", "62999"], False),
        (["14", "elm street", "", "62701"], False),
        (["12", "oak street", "", "62701"], False),
        (["", "", "", "62701"], False),
    ],
)
def test_who_looks_at_somebody_of_his_home_is_a_question(connection, kim, address, asked):
    other = _lives(connection, 2, ["9", "far road", "", "10001"], address)
    _looks(connection, other, other)
    assert _found(connection) == ([("same-home", "account kim", other)] if asked else [])
    assert [(u.measured, u.last_event - u.first_event) for u in unusual(connection)] == [(2, 1)] * asked


def test_two_flats_of_a_house_are_two_homes(connection, kim):
    _lives(connection, 5, ["7", "a street", "1", ""], person=1)
    _looks(connection, _lives(connection, 2, ["7", "a street", "2", ""]))
    assert _found(connection) == []


def test_any_chart_of_both_persons_tells_and_the_own_chart_is_another_question(connection, kim):
    _lives(connection, 2, ["9", "far road", "", "10001"], person=1)
    flatmate = _lives(connection, 3)
    _lives(connection, 4, ["9", "far road", "", "10001"], person=3)
    _looks(connection, kim, flatmate)
    assert _found(connection) == [("same-home", "account kim", flatmate), ("own-chart", "account kim", kim)]


def test_who_was_not_declared_or_is_no_more_is_not_asked(connection, kim):
    connection.execute("UPDATE workforce_patient SET ended = now(), ended_by = 'ann'")
    _looks(connection, kim, _lives(connection, 2, HOME))
    assert _found(connection) == []


@pytest.fixture
def asks(connection, requester, circumstances):
    """A person of a participant gets a token and asks with it."""

    def ask(people, token, participant="lakeside_hospital", **told):
        who = replace(requester, participant=participant, token=token)
        how = replace(circumstances, at=DAY + timedelta(hours=9))
        form = urlencode({**told, "grant_type": "client_credentials"})
        append(connection, [token_entry("token.issued", who, how, form)])
        append(connection, query_entries(who, how, "x", [Disclosed(one, ("Condition/1",)) for one in people]))

    return ask


def test_a_user_whom_a_participant_names_is_looked_at_like_an_account(connection, kim, asks):
    other = _lives(connection, 2, HOME)
    _declare(connection, "user lakeside_hospital u 7&=", kim)
    asks([other], "t1", subject_id="u 7&=", subject_name="Dr. A")
    asks([other], "t2", subject_id="u8")
    asks([other], "t3", participant="other_clinic", subject_id="u 7&=")
    assert _found(connection) == [("same-home", "lakeside_hospital", other)]
    (found,) = [u for u in unusual(connection) if u.kind == "same-home"]
    assert found.role == "organization u 7&="
    assert found.measured == 1


def test_a_users_surname_is_compared_too(connection, asks):
    person = _lives(connection, 2)
    connection.execute(
        "WITH made AS (INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
        "  VALUES ('d', 'elm', 'Patient', 'N', '{}', '{}') ON CONFLICT DO NOTHING RETURNING class)"
        " INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record,"
        "  content_hash, mapping_digest, rules_digest, body) SELECT 'Patient', p.fhir_id, 'elm', p.patient,"
        "  class, 1, 1, %s, 1, '', 'm', 'r', %s FROM made, patient p",
        (DAY, orjson.dumps({"name": [{"family": "Peña"}]})),
    )
    asks([person], "t1", subject_name="Rosa Pena")
    asks([person], "t2", subject_name="Rosa Moss")
    asks([person], "t3")
    assert _found(connection) == [("same-name", "lakeside_hospital", person)]


def test_a_record_of_an_undecided_question_about_an_account_is_held(connection, kim):
    _looks(connection, kim)
    held = "SELECT audit_is_held(e) FROM audit_event e WHERE kind = 'console.viewed'"
    assert connection.execute(held).fetchone() == (False,)
    assert _found(connection)
    assert connection.execute(held).fetchone() == (True,)


def test_no_reader_of_the_exchange_learns_who_is_declared(connection, kim):
    (may,) = connection.execute(
        "SELECT has_table_privilege('exchange_api', 'workforce_patient', 'SELECT')"
    ).fetchone()
    assert may is False
