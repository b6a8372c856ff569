"""A consent that is revoked closes with the next request, and what had gone out is told exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exchange.app.privacy.revoking import sent_before
from exchange.model.errors import ContentError
from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository.storage.items import PublishItem
from exchange.repository.write import publish
from tests.consent import builders


@pytest.fixture
def person(records):
    fhir_id = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}])
    for key in ("a", "b", "c"):
        records.observation("prairie_clinic", fhir_id, key)
    return fhir_id


def _observation(key):
    return f"Observation/{resource_id('https://prairie_clinic.example/', 'Observation', key)}"


def _consent(patient, kind, **changes):
    asked = {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}
    return builders.consent(
        id=resource_id("https://prairie_clinic.example/", "Consent", "1"),
        patient={"reference": f"Patient/{patient}"},
        provision={"type": kind, "action": [{"coding": [asked]}]},
        **changes,
    )


def _give(records, patient, consent):
    at = datetime.now(UTC)
    item = PublishItem(
        resource=consent, labels=Labels(), redacted=None, patient=patient, partner="prairie_clinic",
        record=99, event_time=at - timedelta(hours=1), cluster=None, trust=1, mapping_digest="m",
        rules_digest="r",
    )  # fmt: skip
    assert publish(records.conn, [item], (), records.context, at).outcomes[0].kind == "published"
    records.conn.commit()
    return f"Consent/{consent['id']}"


def _sent(records, consent):
    found = sent_before(records.conn, consent, datetime.now(UTC))
    records.conn.rollback()
    return found


def test_what_went_out_before_a_revocation_is_listed_record_by_record(
    ask, hospital, records, person, token_of
):
    token = token_of(hospital)
    consent = _give(records, person, _consent(person, "permit"))
    ask(hospital, "Observation?_elements=status&_sort=_id&_count=2", token=token)
    ask(hospital, _observation("c"), token=token)
    ask(hospital, _observation("c"), token=token)
    before = _sent(records, consent)
    assert (before.in_force, len(before.sent)) == (True, 3)
    assert all(one.shown and one.by_consent for one in before.sent)

    _give(records, person, _consent(person, "deny"))
    assert ask(hospital, _observation("c"), token=token).status_code == 404
    after = _sent(records, consent).sent
    names = sorted(_observation(key) for key in "abc")[:2]
    assert {one.record for one in after} == {*names, _observation("c")}
    assert {(one.participant, one.purpose, one.shown) for one in after} == {
        ("lakeside_hospital", "TREAT", False)
    }
    assert max(len(one.entries) for one in after) >= 2


def test_nothing_is_listed_of_a_person_about_whom_nothing_went_out(ask, hospital, records, person):
    other = records.patient("prairie_clinic", "p2")
    consent = _give(records, other, _consent(other, "deny"))
    ask(hospital, f"Patient/{golden_id(person)}")
    assert _sent(records, consent).sent == ()


def test_a_source_may_keep_what_is_its_own(ask, register, records, person):
    clinic = register("prairie_clinic")
    ask(clinic, _observation("a"))
    consent = _give(records, person, _consent(person, "deny"))
    assert [(one.record, one.shown) for one in _sent(records, consent).sent] == [(_observation("a"), True)]


def test_a_consent_that_was_deleted_is_still_known(ask, hospital, records, person):
    consent = _give(records, person, _consent(person, "permit"))
    ask(hospital, _observation("a"))
    publish(records.conn, (), [consent], records.context, datetime.now(UTC))
    records.conn.commit()
    found = _sent(records, consent)
    assert (found.in_force, [one.record for one in found.sent]) == (False, [_observation("a")])


@pytest.mark.parametrize("name", ["Consent/1", "00000000-0000-4000-8000-000000000000"])
def test_a_consent_nobody_took_is_refused(records, name):
    with pytest.raises(ContentError):
        _sent(records, name)
