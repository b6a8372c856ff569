"""Forms that vendors' certification documents have: what R4 forbids as sent still reaches it whole."""

import pytest

from exchange.content import read_tree
from exchange.mapping import load_maps, map_record
from exchange.mapping.golden import shared_maps
from exchange.model.records import SourceRecord
from tests.content.ccda import (
    COMPLETED,
    CVX,
    RXNORM,
    code,
    document,
    measured,
    product,
    related,
    section,
    statement,
    text_of,
    value,
)
from tests.content.mapping import ROOT, codes, errors, of_type, the

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DRUG = product(code("1", RXNORM))
VACCINE = product(code("08", CVX))
NCIT = "2.16.840.1.113883.3.26.1.1"
TABLET = f'<administrationUnitCode code="C42998" codeSystem="{NCIT}" displayName="Tablet"/>'


def medication(inner: str, part: str = "2.1.1"):
    return document(section(part, statement("substanceAdministration", "4.16", "m1", COMPLETED + inner)))


def numbered(number: str) -> str:
    """The number of a dose as older documents have it."""
    return related(f"<observation>{code('30973-2')}{number}</observation>")


def translated(number: str, words: str) -> str:
    return f'<translation code="{number}" codeSystem="1.2" displayName="{words}"/>'


def immunization(inner: str):
    told = COMPLETED + VACCINE + inner
    return document(section("2.2.1", statement("substanceAdministration", "4.52", "i1", told)))


def test_what_was_given_without_a_known_dose_keeps_its_route():
    route = code("1").replace("code ", "routeCode ")
    found = medication(f'{route}<doseQuantity nullFlavor="NI"/>{DRUG}', "2.38")

    dosage = the(found, "MedicationAdministration")["dosage"]
    assert codes(dosage["route"]) == ["1"]
    assert dosage["dose"] == {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    assert errors(found) == []


@pytest.mark.parametrize(
    ("period", "timing"),
    [
        ('value="8" unit="hours"', {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}),
        ('value="1" unit="week"', {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}),
        ('value="1" unit="BID"', {"code": {"text": "BID"}}),
        ('unit="TWICE,A,DAY"', {"code": {"text": "TWICE,A,DAY"}}),
        ('value="1" unit="PRN"', None),
    ],
)
def test_a_period_is_one_only_with_a_unit_of_time(period, timing):
    pivl = f'<effectiveTime xsi:type="PIVL_TS" operator="A"><period {period}/></effectiveTime>'
    found = medication(pivl + DRUG)

    (dosage,) = the(found, "MedicationRequest")["dosageInstruction"]
    assert dosage.get("timing") == timing
    assert dosage.get("asNeededBoolean", False) is ("PRN" in period)
    assert errors(found) == []


def test_a_dose_without_a_unit_is_counted_in_what_stands_beside_it():
    found = medication(f'<doseQuantity value="2"/>{TABLET}{DRUG}')

    (dosage,) = the(found, "MedicationRequest")["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseQuantity"] == {
        "value": 2,
        "unit": "Tablet",
        "system": "http://ncicb.nci.nih.gov/xml/owl/EVS/owl/evs.owl",
        "code": "C42998",
    }


def test_a_dose_with_a_unit_keeps_it():
    found = medication(f'<doseQuantity value="500" unit="mg"/>{TABLET}{DRUG}')

    (dosage,) = the(found, "MedicationRequest")["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseQuantity"]["code"] == "mg"


def test_no_drug_therapy_is_said_by_the_code_of_the_statement():
    found = medication(code("182904002", "2.16.840.1.113883.6.96") + product('<code nullFlavor="NI"/>'))

    assert codes(the(found, "MedicationRequest")["medicationCodeableConcept"]) == ["182904002"]


@pytest.mark.parametrize(
    ("inner", "dose"),
    [
        ('<repeatNumber value="2"/>', {"doseNumberPositiveInt": 2}),
        ('<repeatNumber value="0"/>', None),
        (numbered('<value xsi:type="INT" value="3"/>'), {"doseNumberPositiveInt": 3}),
        (numbered('<value xsi:type="ST">booster</value>'), {"doseNumberString": "booster"}),
    ],
)
def test_the_number_of_a_dose(inner, dose):
    found = immunization(inner)

    assert the(found, "Immunization").get("protocolApplied") == ([dose] if dose else None)
    assert errors(found) == []


def test_who_gave_it_is_known_by_number_where_there_is_no_name():
    found = immunization('<performer><assignedEntity><id root="1.2.7"/></assignedEntity></performer>')

    (performer,) = the(found, "Immunization")["performer"]
    assert performer["actor"]["identifier"]["value"] == "urn:oid:1.2.7"
    assert errors(found) == []


NUMBERED_EMPLOYER = '<representedOrganization><id root="1.2.8" extension="4"/></representedOrganization>'


@pytest.mark.parametrize(
    ("who", "actor"),
    [
        (
            '<code nullFlavor="OTH"><originalText>Night nurse</originalText></code>',
            {"display": "Night nurse"},
        ),
        (f'<code nullFlavor="OTH">{translated("7", "Surgeon")}</code>', {"display": "Surgeon"}),
        ('<code code="208600000X"/>', {"display": "208600000X"}),
        (NUMBERED_EMPLOYER, {"identifier": {"system": "urn:oid:1.2.8", "value": "4"}}),
        ("", None),
    ],
)
def test_who_did_a_procedure_is_what_the_document_calls_them(who, actor):
    done = f'<performer><assignedEntity><id nullFlavor="UNK"/>{who}</assignedEntity></performer>'
    found = document(section("2.7.1", statement("procedure", "4.14", "p1", COMPLETED + code("1") + done)))

    performers = the(found, "Procedure").get("performer", [])
    assert [each["actor"] for each in performers] == ([actor] if actor else [])
    assert errors(found) == []


def test_an_organization_without_an_npi_is_not_the_partner_without_one():
    files = read_tree(ROOT)
    shared = shared_maps(files)
    employer = "<representedOrganization><name>Elm</name></representedOrganization>"
    who = f'<performer><assignedEntity><id nullFlavor="NI"/>{employer}</assignedEntity></performer>'
    sent = text_of(section("2.7.1", statement("procedure", "4.14", "p1", COMPLETED + code("1") + who)))
    record = SourceRecord("_shared", "ccda", "key", "ccda", sent, "sample")

    found = map_record(record, load_maps(files, shared))

    assert shared.organization.npi is None
    assert the(found, "Organization")["name"] == "Elm"


def test_nobody_gave_it_where_the_performer_is_empty():
    found = immunization('<performer><assignedEntity><id nullFlavor="NI"/></assignedEntity></performer>')

    assert "performer" not in the(found, "Immunization")
    assert errors(found) == []


def test_who_saw_the_patient_is_said_by_profession_where_there_is_no_name():
    who = f'<performer><assignedEntity><id root="1.2.7"/>{code("59058001")}</assignedEntity></performer>'
    found = document(section("2.22.1", statement("encounter", "4.49", "e1", code("99213") + who)))

    (participant,) = the(found, "Encounter")["participant"]
    assert participant["individual"]["display"] == "59058001 shown"


def test_a_goal_that_names_no_measure_is_kept():
    wanted = '<value xsi:type="ST">Weight below 95 kg</value>'
    goal = f'<code nullFlavor="UNK"/><statusCode code="active"/>{wanted}'
    found = document(section("2.60", statement("observation", "4.121", "g1", goal, 'moodCode="GOL"')))

    (target,) = the(found, "Goal")["target"]
    assert target["detailString"] == "Weight below 95 kg"
    assert target["measure"]["extension"] == [{"url": ABSENT, "valueCode": "unknown"}]
    assert errors(found) == []


@pytest.mark.parametrize(
    ("low", "high", "kept"),
    [
        ("5", "9", {"low": {"value": 5}, "high": {"value": 9}}),
        ("9", "5", {"text": "9 - 5"}),
        ("10", "9.5", {"text": "10 - 9.5"}),
        ("9", "10", {"low": {"value": 9}, "high": {"value": 10}}),
    ],
)
def test_bounds_that_contradict_each_other_are_no_range(low, high, kept):
    bounds = f'<value xsi:type="IVL_PQ"><low value="{low}"/><high value="{high}"/></value>'
    ranges = f"<referenceRange><observationRange>{bounds}</observationRange></referenceRange>"
    result = measured("5803-2", f'<value xsi:type="PQ" value="7"/>{ranges}')
    inner = code("24356-8") + COMPLETED + result
    found = document(section("2.3.1", statement("organizer", "4.1", "r1", inner)))

    assert the(found, "Observation")["referenceRange"] == [kept]
    assert errors(found) == []


def test_the_centre_of_an_interval_is_a_moment():
    inner = code("1") + COMPLETED + '<effectiveTime><center value="20120512"/></effectiveTime>'
    found = document(section("2.7.1", statement("procedure", "4.14", "p1", inner)))

    assert the(found, "Procedure")["performedDateTime"] == "2012-05-12"


def test_the_indication_of_a_procedure_is_a_diagnosis():
    inner = code("75321-0") + COMPLETED + value("414992000")
    found = document(section("2.29", statement("observation", "4.19", "o1", inner)))

    (condition,) = of_type(found, "Condition")
    assert codes(condition["code"]) == ["414992000"]
    assert codes(condition["category"][0]) == ["encounter-diagnosis"]


@pytest.mark.parametrize(
    ("text", "kept"), [("No information", False), ("None known.", False), ("Takes warfarin", True)]
)
def test_what_is_told_in_a_section_that_claims_to_have_none_is_kept(text, kept):
    empty = section("2.1.1", text=text).replace("<section>", '<section nullFlavor="NI">')
    found = document(empty)
    told = [each for each in of_type(found, "DocumentReference") if "relatesTo" in each]
    assert bool(told) == kept


def test_instructions_are_activities_of_a_plan():
    told = statement(
        "act", "4.20", "n1", code("311401005", "2.16.840.1.113883.6.96") + "<text>Rest</text>" + COMPLETED
    )
    found = document(section("2.45", told))
    assert errors(found) == []
    (activity,) = the(found, "CarePlan")["activity"]
    assert activity["detail"]["description"] == "Rest"
    assert of_type(document(section("2.45")), "CarePlan") == []
