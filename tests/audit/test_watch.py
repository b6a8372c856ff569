"""Unusual access is a question with a number, and a decision on it stands; the log as others read it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import psycopg
import pytest

from exchange.audit import Disclosed, append, denied_entry, query_entries, siem, view_entries
from exchange.audit.watch import decide_unusual, look, unusual
from exchange.model.errors import Conflict
from exchange.model.ids import golden_id

DAY = datetime(2026, 6, 1, tzinfo=UTC)
AT = DAY + timedelta(days=1)


def _people(conn, number, partner="lakeside_hospital"):
    ids = [str(UUID(int=n + 1)) for n in range(number)]
    for fhir_id in ids:
        conn.execute(
            "INSERT INTO patient (fhir_id, golden_id, partner, person, features)"
            " VALUES (%s, %s, %s, %s, '{}')",
            (fhir_id, golden_id(fhir_id), partner, fhir_id),
        )
    return [golden_id(fhir_id) for fhir_id in ids]


@pytest.fixture
def saw(connection, requester, circumstances):
    """Writes that the hospital saw people at an hour of a day."""

    def write(day, hour, people, **changes):
        how = replace(circumstances, at=day + timedelta(hours=hour))
        shown = [Disclosed(patient, ("Condition/1",)) for patient in people]
        append(connection, query_entries(replace(requester, **changes), how, "Condition?code=x", shown))

    return write


def _kinds(conn):
    return sorted({(u.kind, u.participant) for u in unusual(conn)})


@pytest.fixture
def usual(connection, saw):
    """Ten days on which the hospital saw five people of its own in the morning."""
    people = _people(connection, 40)
    for n in range(1, 11):
        saw(DAY - timedelta(days=n), 9, people[:5])
    return people


def test_a_day_like_the_others_is_no_question(connection, saw, usual):
    saw(DAY, 9, usual[:6])
    assert look(connection, DAY, AT) == 0


def test_many_people_in_a_day_are_a_question_with_its_measure(connection, saw, usual):
    saw(DAY, 9, usual[:25])
    assert look(connection, DAY, AT) == 1
    (found,) = unusual(connection)
    assert (found.kind, found.measured, found.usual) == ("volume", 25, 5)
    assert look(connection, DAY, AT) == 0, "the same question is asked once"


def test_the_same_few_people_many_times_are_not_many_people(connection, saw, usual):
    for _ in range(9):
        saw(DAY, 9, usual[:5])
        saw(DAY - timedelta(days=2), 9, usual[:5])
    assert look(connection, DAY, AT) == 0


def test_five_days_are_a_past_and_four_are_none(connection, saw):
    people = _people(connection, 20)
    for n in range(1, 5):
        saw(DAY - timedelta(days=n), 9, people[:2])
    saw(DAY, 9, people)
    assert look(connection, DAY, AT) == 0
    saw(DAY - timedelta(days=5), 9, people[:2])
    assert look(connection, DAY, AT) == 1


def test_a_question_names_the_first_and_the_last_entry_of_the_log_it_rests_on(connection, saw, usual):
    (before,) = connection.execute("SELECT max(sequence) FROM audit_event").fetchone()
    saw(DAY, 9, usual[:12])
    saw(DAY, 3, usual[:2])
    look(connection, DAY, AT)
    found = {u.kind: (u.first_event - before, u.last_event - before) for u in unusual(connection)}
    assert found == {"volume": (1, 14), "hours": (13, 14)}


def test_an_hour_at_which_nobody_works_is_a_question(connection, saw, usual):
    saw(DAY, 3, usual[:1])
    look(connection, DAY, AT)
    assert _kinds(connection) == [("hours", "lakeside_hospital")]


def test_a_new_participant_has_no_baseline_yet(connection, saw, usual):
    saw(DAY, 3, usual[:30], participant="new_clinic")
    look(connection, DAY, AT)
    assert ("volume", "new_clinic") not in _kinds(connection)


def test_a_person_without_a_relationship_is_a_question_and_one_with_is_none(connection, saw, usual):
    connection.execute(
        "INSERT INTO relationship SELECT 'clinic', patient, 'encounter', %s FROM patient WHERE fhir_id = %s",
        (AT + timedelta(days=9), str(UUID(int=1))),
    )
    saw(DAY, 9, usual[:2], participant="clinic")
    look(connection, DAY, AT)
    assert [(u.kind, str(u.patient)) for u in unusual(connection)] == [("no-relationship", usual[1])]


def test_a_decision_stands_and_is_itself_recorded(connection, saw, usual):
    saw(DAY, 3, usual[:1])
    look(connection, DAY, AT)
    (found,) = unusual(connection)
    decide_unusual(connection, found.entry, "explained", "anna", "a night of many admissions", AT)
    connection.commit()
    assert unusual(connection) == []
    with pytest.raises(Conflict):
        decide_unusual(connection, found.entry, "sanction", "anna", "again", AT)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE access_watch SET reason = 'other'")
    connection.rollback()
    kinds = connection.execute("SELECT kind FROM audit_event ORDER BY sequence DESC LIMIT 1").fetchone()
    assert kinds == ("watch.decided",)


def test_each_record_is_a_line_that_a_security_system_can_split(connection, requester, circumstances):
    spoilt = replace(requester, organization="A|B\\C=D\nE")
    append(connection, [denied_entry(spoilt, circumstances, "Patient/1", "404 not-found")])
    append(connection, query_entries(requester, circumstances, "x", [Disclosed(str(UUID(int=7)))]))
    (_, first), (number, second) = siem.lines(connection, 0, "1.0")
    assert number == 2
    assert "\n" not in first
    head = re.split(r"(?<!\\)\|", first)
    assert head[:7] == ["CEF:0", "Mosaic", "Exchange", "1.0", "denied", "denied", "8"]
    assert r"suser=A|B\\C\=D\nE" in first
    fields = dict(re.findall(r"(\w+)=((?:\\.|[^=\\])*?)(?= \w+=|$)", second.split("|", 7)[7]))
    assert fields["outcome"] == "success"
    assert (fields["cs1"], fields["cs2"]) == ("lakeside_hospital", "TREAT")
    assert fields["cs3"] == str(UUID(int=7))
    assert len(fields["cs4"]) == 64
    assert int(fields["rt"]) == int(circumstances.at.timestamp() * 1000)
    assert [n for n, _ in siem.lines(connection, 1, "1.0")] == [2]


def test_a_day_ends_where_the_next_begins(connection, saw, usual):
    """Its first instant belongs to it and not to what was usual before; that of the next day does not."""
    saw(DAY, 24, usual[:25])
    assert look(connection, DAY, AT) == 0
    saw(DAY, 0, usual[:25])
    look(connection, DAY, AT)
    assert [(u.kind, u.measured, u.usual) for u in unusual(connection)] == [
        ("volume", 25, 5),
        ("hours", 25, 0),
    ]


def test_an_hour_of_one_access_in_ten_is_a_usual_hour(connection, saw, usual):
    saw(DAY - timedelta(days=1), 15, usual[:5])
    saw(DAY, 15, usual[:1])
    assert look(connection, DAY, AT) == 0


def test_a_broken_glass_is_no_relationship(connection, saw, usual):
    connection.execute(
        "INSERT INTO relationship SELECT 'clinic', patient, 'break-glass', %s FROM patient"
        " WHERE fhir_id = %s",
        (AT + timedelta(days=9), str(UUID(int=1))),
    )
    saw(DAY, 9, usual[:1], participant="clinic")
    look(connection, DAY, AT)
    assert [(u.kind, str(u.patient)) for u in unusual(connection)] == [("no-relationship", usual[0])]


@pytest.mark.parametrize(("labels", "asker", "questions"), [
    (("VIP",), "clinic", ["no-relationship", "protected-person"]),
    (("SUD",), "clinic", ["no-relationship"]),
    (("VIP",), "lakeside_hospital", []),
])  # fmt: skip
def test_somebody_who_needs_watching_over_is_a_question_but_to_his_own_source(
    connection, saw, labels, asker, questions
):
    (person,) = _people(connection, 1)
    connection.execute(
        "WITH made AS (INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
        "  VALUES ('d', 'lakeside_hospital', 'Condition', 'R', %s, '{}') RETURNING class)"
        " INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record,"
        "  content_hash, mapping_digest, rules_digest, body) SELECT 'Condition', gen_random_uuid(),"
        "  'lakeside_hospital', p.patient, class, 1, 1, %s, 1, '', 'm', 'r', '{}' FROM made, patient p",
        (list(labels), DAY),
    )
    saw(DAY, 9, [person], participant=asker)
    look(connection, DAY, AT)
    assert sorted(u.kind for u in unusual(connection)) == questions


@pytest.fixture
def looked(connection):
    """Writes that an account of the console saw people at an hour of a day."""
    connection.execute(
        "INSERT INTO console_account (login, name, roles, created) VALUES"
        " ('rosa', 'Rosa de la Peña', '{privacy-officer}', now()),"
        " ('kim', 'Kim Moss', '{privacy-officer}', now())"
    )

    def write(login, day, people, hour=9):
        at = day + timedelta(hours=hour)
        append(connection, view_entries(login, ["privacy-officer"], "HOPERAT", "/privacy/people", people, at))

    return write


def test_an_officer_who_looks_at_many_people_or_by_night_is_a_question(connection, looked):
    people = _people(connection, 30)
    for n in range(1, 11):
        looked("kim", DAY - timedelta(days=n), people[:3])
    looked("kim", DAY, people[:4])
    assert look(connection, DAY, AT) == 0, "an officer needs no relationship"
    looked("kim", DAY, people, hour=3)
    look(connection, DAY, AT)
    assert _kinds(connection) == [("hours", "account kim"), ("volume", "account kim")]


@pytest.mark.parametrize(
    ("login", "family", "asked"),
    [
        ("rosa", "PENA", True),
        ("rosa", "García Peña", True),
        ("rosa", "Moss-Peña", True),
        ("rosa", "Penaranda", False),
        ("rosa", "de", False),
        ("kim", "Moss", True),
        ("kim", "Peña", False),
    ],
)
def test_who_looks_at_somebody_of_the_same_name_is_a_question(connection, looked, login, family, asked):
    (person,) = _people(connection, 1)
    connection.execute(
        "WITH made AS (INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
        "  VALUES ('d', 'lakeside_hospital', 'Patient', 'N', '{}', '{}') RETURNING class)"
        " INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record,"
        "  content_hash, mapping_digest, rules_digest, body) SELECT 'Patient', p.fhir_id,"
        "  'lakeside_hospital', p.patient, class, 1, 1, %s, 1, '', 'm', 'r', %s FROM made, patient p",
        (DAY, orjson.dumps({"name": [{"text": "x"}, {"family": family}]})),
    )
    looked(login, DAY, [person])
    looked(login, DAY, [person])
    look(connection, DAY, AT)
    assert _kinds(connection) == ([("same-name", f"account {login}")] if asked else [])
    assert [(u.measured, u.last_event - u.first_event) for u in unusual(connection)] == [(2, 1)] * asked


@pytest.mark.parametrize(("times", "before", "asked"), [(20, 0, 0), (21, 0, 1), (60, 30, 0), (61, 30, 1)])
def test_who_tries_names_and_ids_is_a_question_from_the_first_day(
    connection, requester, circumstances, times, before, asked
):
    def tries(day, number):
        how = replace(circumstances, at=day + timedelta(hours=9))
        append(
            connection, [denied_entry(requester, how, "Patient/7", "404 not-found", serious=False)] * number
        )

    for n in range(1, 4):
        tries(DAY - timedelta(days=n), before)
    tries(DAY, times)
    assert look(connection, DAY, AT) == asked
    assert [(u.kind, u.measured, u.usual) for u in unusual(connection)] == [
        ("refusals", times, before)
    ] * asked


def test_nobody_decides_on_his_own_access(connection, looked):
    (person,) = _people(connection, 1)
    connection.execute(
        "INSERT INTO access_watch (kind, participant, role, day, patient, measured, usual, first_event,"
        " last_event, found) VALUES ('same-name', 'account kim', '', %s, %s, 1, 0, 1, 1, %s)",
        (DAY.date(), person, AT),
    )
    (found,) = unusual(connection)
    with pytest.raises(Conflict):
        decide_unusual(connection, found.entry, "explained", "kim", "it was me", AT)
    decide_unusual(connection, found.entry, "explained", "rosa", "no relative", AT)
    assert unusual(connection) == []
