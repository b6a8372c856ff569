"""What anybody who takes this exchange into use will try first: what is read of what arrives.

The rules are those of `consent/`; one test for each promise, by its name.
"""

from __future__ import annotations

import pytest

from exchange.consent import (
    Source,
    directive,
    label,
)
from exchange.model.errors import RecordRejected
from tests.consent.builders import coded, consent, icd
from tests.content.test_hl7v2_maps import adt, pv1

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CLINIC = Source("prairie_clinic", "clinic", False, "resources")


@pytest.fixture
def law(context):
    return context


# 20
def test_a_relatives_drug_use_is_labelled_and_said_to_be_a_relatives(law):
    found = label({"resourceType": "Condition", "id": "c", "code": icd("Z71.52")}, CLINIC, law.rules)
    assert (found.codes, found.confidentiality) == ({"SUD"}, "R")
    assert [(e.basis, e.strength) for e in found.evidence] == [("inference", "weak")]
    assert found.evidence[0].detail.endswith("about a relative")


# 21
@pytest.mark.parametrize(
    ("code", "strength"),
    [
        ("904870", "weak"),  # 168 HR buprenorphine 0.01 MG/HR Transdermal System (BuTrans)
        ("1716077", "weak"),  # buprenorphine 0.075 MG Buccal Film (Belbuca)
        ("1010600", "strong"),  # buprenorphine 2 MG / naloxone 0.5 MG Sublingual Film (Suboxone)
        ("1996192", "strong"),  # 1.5 ML buprenorphine 200 MG/ML Prefilled Syringe (Sublocade)
        ("864706", "weak"),  # methadone hydrochloride 10 MG Oral Tablet
        ("864978", "strong"),  # methadone hydrochloride 40 MG Tablet for Oral Suspension
    ],
)
def test_a_drug_is_evidence_by_its_route_and_strength(law, code, strength):
    drug = coded("http://www.nlm.nih.gov/research/umls/rxnorm", code)
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "medicationCodeableConcept": {**drug, "text": "drug"},
    }
    found = label(order, CLINIC, law.rules)
    assert found.codes == {"OPIOIDUD"}
    assert {e.strength for e in found.evidence} == {strength}


# 21, by its ingredient: a patch treats pain
@pytest.mark.parametrize(
    ("elements", "strength"),
    [
        ({}, "strong"),
        ({"dosageInstruction": [{"route": {"text": "Sublingual"}}]}, "strong"),
        ({"dosageInstruction": [{"route": {"text": "Transdermal"}}]}, "weak"),
        ({"dosageInstruction": [{"route": coded("http://snomed.info/sct", "45890007")}]}, "weak"),
        ({"dosageInstruction": [{"text": "apply one patch weekly"}]}, "weak"),
    ],
)
def test_buprenorphine_by_its_ingredient_is_evidence_by_its_route(law, elements, strength):
    drug = coded("http://www.nlm.nih.gov/research/umls/rxnorm", "1819")
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "medicationCodeableConcept": {**drug, "text": "drug"},
        **elements,
    }
    found = label(order, CLINIC, law.rules)
    assert found.codes == {"OPIOIDUD"}
    assert {e.strength for e in found.evidence if "substance-use" in e.detail} == {strength}


# 22, 23
@pytest.mark.parametrize(
    ("system", "code", "codes", "confidentiality"),
    [
        (ACT, "NORDSLCD", {"NORDSCLCD"}, "N"),
        ("http://terminology.hl7.org/CodeSystem/v2-0177", "U", set(), "N"),
        ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "PSY", {"PSY"}, "R"),
        ("http://terminology.hl7.org/CodeSystem/v2-0177", "AID", {"HIV"}, "R"),
    ],
)
def test_old_and_foreign_labels_mean_what_they_meant(law, system, code, codes, confidentiality):
    labelled = {
        "resourceType": "Condition",
        "id": "c",
        "meta": {"security": [{"system": system, "code": code}]},
    }
    found = label(labelled, CLINIC, law.rules)
    assert (found.codes, found.confidentiality) == (codes, confidentiality)


# 24
def test_an_update_of_a_visit_does_not_lower_its_status():
    def status(event, visit):
        return next(r["status"] for r in adt(event, visit).resources if r["resourceType"] == "Encounter")

    assert status("A01", pv1("I")) == status("A08", pv1("I")) == "in-progress"
    assert status("A08", pv1("I", "20261105")) == "finished"


# 34
def test_a_consent_in_the_shape_of_release_5_is_refused_and_not_emptied():
    r5 = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "decision": "permit",
        "provision": [{"purpose": []}],
    }
    with pytest.raises(RecordRejected):
        directive(r5, resolve=lambda _: None)


# 35
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "banana"},
        {"patient": None},
        {"provision": {"type": "permit", "data": [{"meaning": "zzz"}]}},
    ],
)
def test_what_is_no_code_of_the_standard_is_refused(changes):
    with pytest.raises(RecordRejected):
        directive(consent(**changes), resolve=lambda _: None)
