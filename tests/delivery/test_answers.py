"""What an answer left out is written down afterwards, and shows nowhere else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from exchange.audit import Circumstances, Disclosed, Requester, append, denied_entry, query_entries
from exchange.delivery.answers import left_out, look_at_answers
from exchange.delivery.withholding import denied
from tests.delivery.world import HIDDEN, context
from tests.repository.repository_world import observation

WHO = Requester("ehr", "clinic", "Clinic", "organization", "TREAT", "t")


@pytest.fixture
def person(world):
    """A person of hospital and clinic with one result to see and one that is hidden."""
    hospital, _ = world.person()
    seen = observation("hospital", hospital, "seen")
    hidden = observation("hospital", hospital, "hidden")
    world.publish(world.item("hospital", seen))
    world.publish(world.item("hospital", hidden, labels=HIDDEN))
    return {"id": hospital, "seen": seen["id"], "hidden": hidden["id"]}


@pytest.fixture
def asked(world):
    """Writes the record of a request as the API does; looks at it, and gives what was found."""

    def ask(request, *, about=None, found=True, who=WHO, **options):
        how = Circumstances(world.now, "https://exchange.example", "192.0.2.1", "r")
        entries = (
            query_entries(who, how, request, [Disclosed(about)], **options)
            if found
            else [denied_entry(who, how, request, "404 not-found", serious=False)]
        )
        append(world.conn, entries)
        look_at_answers(world.conn, lambda _: world.context, world.now)
        world.conn.commit()
        return [(one.category, one.exception, one.records) for one in left_out(world.conn)]

    return ask


def test_a_search_about_a_person_leaves_out_what_the_law_hides(asked, person):
    found = asked(f"GET /fhir/Observation?patient={person['id']}", about=person["id"])
    assert found == [("law", "171.202(b)", 1)]


def test_of_a_type_that_was_not_asked_for_nothing_is_left_out(asked, person):
    assert asked(f"GET /fhir/Condition?patient={person['id']}", about=person["id"]) == []


def test_everything_of_a_person_is_every_type(asked, person):
    found = asked(f"GET /fhir/Patient/{person['id']}/$everything", about=person["id"], operation=True)
    assert found == [("law", "171.202(b)", 1)]


def test_a_record_that_was_said_not_to_be_there_is_one_and_one_that_is_not_there_is_none(asked, person):
    assert asked(f"GET /fhir/Observation/{person['hidden']}", found=False) == [("law", "171.202(b)", 1)]
    assert asked("GET /fhir/Observation/00000000-0000-5000-8000-000000000000", found=False) == [
        ("law", "171.202(b)", 1)
    ]


def test_who_has_no_relationship_is_kept_out_by_that(asked, person, world):
    stranger = world.patient("hospital", "stranger")
    found = asked(f"GET /fhir/Patient/{stranger}/$everything", found=False)
    assert [(category, exception) for category, exception, _ in found] == [("relationship", "171.202(b)")]


def test_what_the_person_denied_is_his_request(asked, person, world):
    world.refuse(person["id"], ("access",))
    found = asked(f"GET /fhir/Observation?patient={person['id']}", about=person["id"])
    assert found == [("consent", "171.202(e)", 2)]


def test_a_request_that_was_refused_for_another_reason_left_nothing_out(person, world):
    """Who may not ask at all was told so: nothing was kept from an answer."""
    how = Circumstances(world.now, "https://exchange.example", "192.0.2.1", "r")
    for reason in ("403 forbidden", "410 deleted", "scope"):
        append(world.conn, [denied_entry(WHO, how, f"GET /fhir/Observation/{person['hidden']}", reason)])
    assert look_at_answers(world.conn, lambda _: world.context, world.now) == 0
    assert left_out(world.conn) == []


def test_whatever_denies_has_an_exception_that_the_regulation_knows():
    """45 CFR 171.201 to 171.208, 171.301 to 171.303 and 171.403."""
    found = context()
    named = [rule.policy.id for rule in found.rules.rules]
    for because in (*((name,) for name in named), ("consent:0:root",), ("nobody-permits",), ()):
        told = denied(1, because, found)
        assert told.category in ("law", "consent")
        assert re.fullmatch(r"171\.(20[1-8]|30[1-3]|403)(\([a-z0-9]\))*", told.exception or ""), because
    own = [rule.policy for rule in found.rules.rules if rule.policy.exception]
    assert {denied(1, (policy.id,), found).exception == policy.exception for policy in own} == {True}
    assert denied(1, ("consent:0:root", own[0].id), found).category == "consent", "the person's word first"


def test_each_answer_is_looked_at_once(asked, person, world):
    asked(f"GET /fhir/Observation?patient={person['id']}", about=person["id"])
    assert look_at_answers(world.conn, lambda _: world.context, world.now) == 0
    again = replace(WHO, participant="hospital")
    assert asked(f"GET /fhir/Observation?patient={person['id']}", about=person["id"], who=again) == [
        ("law", "171.202(b)", 1)
    ], "to its source nothing was left out"


def test_it_is_decided_by_the_rules_of_the_time_of_the_answer(asked, person, world):
    given = world.now
    asked(f"GET /fhir/Patient/{person['id']}/$everything", about=person["id"], operation=True)
    world.conn.execute("TRUNCATE answer_withheld, answer_looked")
    world.later(days=3)
    times = []

    def rules_of(at):
        times.append(at)
        return world.context

    assert look_at_answers(world.conn, rules_of, world.now) == 1
    assert times == [given]
    assert world.ask("SELECT rules FROM answer_withheld") == [world.context.rules.digest]


def test_the_role_of_the_api_reads_nothing_of_it(world):
    for name in ("answer_withheld", "answer_looked"):
        (may,) = world.conn.execute(
            "SELECT has_table_privilege('exchange_api', %s, 'SELECT')", [name]
        ).fetchone()
        assert not may
