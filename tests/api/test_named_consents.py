"""The log names the consents under which something was disclosed; who asked is told of none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository.storage.items import PublishItem
from exchange.repository.storage.moments import version_id
from exchange.repository.write import publish
from tests.consent import builders

SOURCE = "prairie_clinic"
_RULE = "urn:mosaic:rule:"


@pytest.fixture
def give(records):
    """A Consent of a Patient that permits, or denies inside its permit; returns how the log calls it."""

    def give(patient, key, code="Observation", inside=(), **changes):
        at = datetime.now(UTC)
        classes = [{"system": "http://hl7.org/fhir/resource-types", "code": code}]
        body = builders.consent(
            id=resource_id(f"https://{SOURCE}.example/", "Consent", key),
            patient={"reference": f"Patient/{patient}"},
            provision={"type": "permit", "provision": [{"type": "permit", "class": classes}, *inside]},
            **changes,
        )
        item = PublishItem(
            resource=body, labels=Labels(), redacted=None, patient=patient, partner=SOURCE, record=99,
            event_time=at - timedelta(hours=1), cluster=None, trust=1, mapping_digest="m", rules_digest="r",
        )  # fmt: skip
        assert publish(records.conn, [item], (), records.context, at).outcomes[0].kind == "published"
        records.conn.commit()
        return f"consent:{body['id']}/_history/{version_id(at)}:provision.provision[0]"

    return give


@pytest.fixture
def people(records):
    """Two people with an Observation each."""
    found = [records.patient(SOURCE, key, name=[{"family": key}]) for key in ("p1", "p2")]
    for patient in found:
        records.observation(SOURCE, patient, patient[:8])
    return found


@pytest.fixture
def named(audit_rows):
    """The consents that the log names of what was disclosed since, for each person."""
    seen = len(audit_rows())

    def found():
        return {
            patient: {
                policy.removeprefix(_RULE)
                for agent in body["agent"]
                for policy in agent.get("policy", ())
                if policy.startswith(f"{_RULE}consent:")
            }
            for _, _, patient, body in audit_rows()[seen:]
            if patient
        }

    return found


def _observation(patient):
    return f"Observation/{resource_id(f'https://{SOURCE}.example/', 'Observation', patient[:8])}"


def test_a_read_names_the_consent_its_version_and_the_provision(ask, hospital, people, give, named):
    said = give(people[0], "1")
    answer = ask(hospital, _observation(people[0]))
    assert answer.status_code == 200
    assert named() == {golden_id(people[0]): {said}}
    assert said.split(":")[1].split("/")[0] not in answer.text + str(answer.headers)


def test_each_person_on_a_page_is_accounted_under_his_own_consent(ask, hospital, people, give, named):
    """Who decided the same shares one profile: the page rests on both consents, each share on one."""
    said = [give(patient, key) for patient, key in zip(people, "12", strict=True)]
    assert len(ask(hospital, "Observation?_sort=_id").json()["entry"]) == 2
    assert named() == {golden_id(patient): {one} for patient, one in zip(people, said, strict=True)}


def test_who_gave_no_consent_is_not_accounted_under_that_of_another(ask, hospital, people, give, named):
    said = give(people[0], "1")
    ask(hospital, "Observation?_sort=_id")
    assert named() == {golden_id(people[0]): {said}, golden_id(people[1]): set()}


def test_a_later_consent_that_says_the_same_is_the_one_that_is_named(ask, hospital, people, give, named):
    give(people[0], "1", dateTime="2026-01-01")
    later = give(people[0], "2", dateTime="2026-02-01")
    ask(hospital, _observation(people[0]))
    assert named() == {golden_id(people[0]): {later}}


def test_a_new_version_of_the_same_words_is_named(ask, hospital, people, give, named):
    before = give(people[0], "1")
    now = give(people[0], "1", language="en")
    ask(hospital, _observation(people[0]))
    assert before != now
    assert named() == {golden_id(people[0]): {now}}


def test_nobody_is_told_the_consents_of_what_he_is_not_shown(records, people, give, hospital, shelter):
    """The function that names them looks at nothing but the view of who asks."""
    give(people[0], "1")
    number, *_ = records.conn.execute(
        "SELECT r.class FROM resource r JOIN patient p USING (patient) WHERE r.type = 'Observation'"
        " AND p.fhir_id = %s",
        (people[0],),
    ).fetchone()
    for participant, told in (("lakeside_hospital", 1), ("river_shelter", 0)):
        records.conn.execute("SELECT enter_view(%s, 'organization', 'TREAT', NULL, 'access')", (participant,))
        records.conn.execute("SET LOCAL ROLE exchange_api")
        found = records.conn.execute(
            "SELECT said FROM consents_shown(%s::uuid[], %s)", ([people[0]], [number])
        ).fetchall()
        others = records.conn.execute(
            "SELECT said FROM consents_shown(%s::uuid[], %s)", ([people[1]], [number])
        ).fetchall()
        records.conn.rollback()
        assert (len(found), others) == (told, [])
