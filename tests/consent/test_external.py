"""Sets other people made: IHE PCF consents, SHIFT's labelled patients, DS4P examples, SAMHSA's lists."""

import csv
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from exchange.consent import Source, directive, label, matched, profile
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.directives.trees import Request, Subject, evaluate, trees

SHARED = Path(os.environ.get("EXCHANGE_SHARED", Path(__file__).parents[3] / "shared"))
PCF = SHARED / "data/consent_ihe_pcf/resources"
SHIFT = SHARED / "data/consent_shift/resources"

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not SHARED.exists(), reason="the shared sets are not here"),
]
SOMEWHERE = Source("anybody", "clinic", False, "resources")


def load(path):
    return json.loads(path.read_text("utf-8"))


def reference(value):
    return str(value.get("reference", "")).partition("/")[2] or None


def verdict(rules, consent, resource, purpose="TREAT", who="ex-organization", at="2022-07-01"):
    chosen = profile([(directive(load(PCF / f"Consent-{consent}.json"), resolve=reference), True)])
    names = frozenset([who])
    moment = datetime.fromisoformat(at).replace(tzinfo=EXCHANGE_ZONE)
    request = Request(who, names, names, frozenset([who, "ex-org-researcher"]), "access", purpose, moment)
    body = load(PCF / f"{resource}.json")
    ((_, _, root),) = trees(chosen)[0]
    subject = Subject(None, "N", frozenset(), frozenset(matched(chosen, body)))
    return evaluate(root, request, subject, rules.vocabulary).verdict


WEIGHT, SUGAR = "Observation-ex-weight", "Observation-ex-bloodSugar"


@pytest.mark.parametrize(
    "consent, resource, asked, expected",
    [
        ("ex-consent-basic-treat", WEIGHT, {}, "permit"),
        ("ex-consent-basic-treat", WEIGHT, {"purpose": "HRESCH"}, "uncovered"),
        ("ex-consent-basic-treat-infant", WEIGHT, {}, "permit"),
        ("ex-consent-basic-ink", WEIGHT, {"purpose": "HPAYMT"}, "permit"),
        ("ex-consent-basic-reject", WEIGHT, {}, "deny"),
        ("ex-consent-basic-reject", WEIGHT, {"purpose": "HRESCH"}, "silent"),
        ("ex-consent-basic-research", WEIGHT, {"purpose": "HRESCH"}, "permit"),
        ("ex-consent-basic-research", WEIGHT, {}, "uncovered"),
        ("ex-consent-expired-treat", WEIGHT, {"at": "2022-12-31T23:00"}, "permit"),
        ("ex-consent-expired-treat", WEIGHT, {"at": "2023-01-01"}, "uncovered"),
        ("ex-consent-intermediate-data", WEIGHT, {}, "permit"),
        ("ex-consent-intermediate-data", "Patient-ex-patient", {}, "uncovered"),
        ("ex-consent-intermediate-encounter", "Encounter-ex-encounter", {}, "permit"),
        ("ex-consent-intermediate-encounter", "Patient-ex-patient", {}, "uncovered"),
        ("ex-consent-intermediate-purpose", WEIGHT, {"who": "ex-org-researcher"}, "uncovered"),
        (
            "ex-consent-intermediate-purpose",
            WEIGHT,
            # A purpose of a code system of its own: nobody here can ask for it, and it opens nothing else.
            {"who": "ex-org-researcher", "purpose": "http://example.org/policies/purposeOfUse|FooBar"},
            "uncovered",
        ),
        (
            "ex-consent-intermediate-purpose",
            WEIGHT,
            {"purpose": "http://example.org/policies/purposeOfUse|FooBar"},
            "uncovered",
        ),
    ],
)
def test_the_pcf_examples_decide_as_their_notes_say(rules, consent, resource, asked, expected):
    assert verdict(rules, consent, resource, **asked) == expected


@pytest.mark.parametrize(
    "name", ["ex-weight", "ex-weight-2", "ex-bloodSugar", "ex-bloodPressure", "ex-alcoholUse"]
)
def test_the_author_example_opens_what_that_author_wrote(rules, name):
    body = load(PCF / f"Observation-{name}.json")
    wrote = any(p.get("reference") == "Practitioner/ex-practitioner" for p in body.get("performer", []))
    expected = "permit" if wrote else "uncovered"
    assert verdict(rules, "ex-consent-intermediate-authoredby", f"Observation-{name}") == expected


def test_every_pcf_consent_has_a_normal_form():
    found = [directive(load(path), resolve=reference) for path in PCF.glob("Consent-*.json")]
    assert len(found) >= 10
    assert all(one.binds for one in found)


def test_the_shift_patients_are_labelled_as_their_clinicians_did(rules):
    clinical = ("Condition", "MedicationRequest", "DiagnosticReport", "Observation", "Procedure")
    same = {"PREGNANT": "SEX"}
    hit = missed = wrong = 0
    for path in sorted(p for p in SHIFT.glob("*.json") if p.name.startswith(clinical)):
        body = load(path)
        wanted = {c["code"] for c in body.get("meta", {}).pop("security", [])}
        given = {same.get(code, code) for code in label(body, SOMEWHERE, rules).codes}
        asked = wanted & {"SEX", "STD", "SDV", "HIV"}
        hit, missed = hit + len(asked & given), missed + len(asked - given)
        wrong += len(given) if not wanted else 0
    assert wrong == 0
    assert hit / (hit + missed) >= 0.9


def test_labels_written_by_the_ds4p_examples_are_read(rules):
    folder = SHARED / "data/consent_ds4p/examples"
    inline = label(load(folder / "extension-inline-sec-label-patient.json"), SOMEWHERE, rules)
    assert inline.confidentiality in ("R", "V")
    assert inline.codes


def test_the_icd_10_codes_of_samhsa_are_covered_but_for_tobacco_and_their_known_faults(rules):
    path = SHARED / "data/sensitive_codes/c2s_codes.csv"
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    families = {
        "ETH": {"SUD", "ETHUD", "OPIOIDUD"},
        "PSY": {"MH", "PSY", "GENDER", "COGN", "DVD", "SUD", "SDV"},
    }
    asked = [row for row in rows if row["system"] == icd and row["category"] in families]
    missed = [
        row["code"]
        for row in asked
        if not {hit.label for hit in rules.lists.of_code(icd, row["code"]) or ()} & families[row["category"]]
        and not row["code"].startswith("F17")
    ]
    assert len(asked) > 200
    assert len(missed) / len(asked) < 0.1, sorted(set(missed))[:60]
