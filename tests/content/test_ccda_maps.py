import base64

import pytest

from exchange.model.errors import RecordRejected
from tests.content.ccda import (
    ACT_CODE,
    COMPLETED,
    CVX,
    NEGATED,
    NURSING,
    RXNORM,
    allergy,
    code,
    document,
    measured,
    problem,
    product,
    related,
    section,
    statement,
    template,
    value,
)
from tests.content.mapping import codes, errors, id_in, mapped, of_type, the

LOW, HIGH = '<low value="1" unit="mg"/>', '<high value="9" unit="mg" inclusive="false"/>'
ENDED = '<effectiveTime><low value="2019"/><high value="202001"/></effectiveTime>'


def test_the_patient_is_known_by_the_first_id():
    found = document(patient='<sdtc:deceasedInd value="false"/>')

    patient = the(found, "Patient")
    systems = [identifier["system"] for identifier in patient["identifier"]]
    assert patient["id"] == id_in(NURSING, "Patient", "1.2.1|W1")
    assert systems == ["urn:oid:1.2.1", "http://hl7.org/fhir/sid/us-ssn"]
    assert patient["name"] == [{"use": "usual", "family": "Roe", "given": ["Anna", "M"]}]
    assert patient["deceasedBoolean"] is False
    assert errors(found) == []


@pytest.mark.parametrize(
    ("ident", "system", "written"),
    [
        ('root="1.2.3" extension="a"', "urn:oid:1.2.3", "a"),
        ('root="1.2.3"', "urn:ietf:rfc:3986", "urn:oid:1.2.3"),
        (
            'root="D2CBF1E0-1234-4DEF-8ABC-1234567890AB"',
            "urn:ietf:rfc:3986",
            "urn:uuid:d2cbf1e0-1234-4def-8abc-1234567890ab",
        ),
        (
            'root="2.16.840.1.113883.4.6" extension="1999999935"',
            "http://hl7.org/fhir/sid/us-npi",
            "1999999935",
        ),
    ],
)
def test_an_instance_identifier_becomes_system_and_value(ident, system, written):
    entry = f'<observation moodCode="EVN">{template("4.4")}<id {ident}/>{value("44054006")}</observation>'

    found = document(section("2.5.1", entry))

    assert the(found, "Condition")["identifier"] == [{"system": system, "value": written}]


@pytest.mark.parametrize(
    ("inner", "clinical"),
    [
        ('<effectiveTime><low value="2019"/></effectiveTime>', "active"),
        (ENDED, "inactive"),
        ('<effectiveTime><low value="2019"/><high nullFlavor="UNK"/></effectiveTime>', "inactive"),
        (related(statement("observation", "4.6", "s", value("413322009"))), "resolved"),
        (ENDED + related(statement("observation", "4.6", "s", value("55561003"))), "inactive"),
        (ENDED + related(statement("observation", "4.6", "s", value("413322009"))), "resolved"),
    ],
)
def test_a_problem_that_ended_is_not_active(inner, clinical):
    found = problem(inner + value("44054006"))

    assert codes(the(found, "Condition")["clinicalStatus"]) == [clinical]
    assert errors(found) == []


def test_a_negated_problem_is_refuted_and_no_problem_has_its_own_code():
    refuted = the(problem(value("44054006"), NEGATED), "Condition")
    none = the(problem(value("55607006"), NEGATED), "Condition")

    assert codes(refuted["verificationStatus"]) == ["refuted"]
    assert (codes(none["code"]), codes(none["verificationStatus"])) == (["160245001"], ["confirmed"])


def test_the_translation_is_kept_beside_a_code_that_is_null():
    translation = '<translation code="E11.9" codeSystem="2.16.840.1.113883.6.90"/>'

    found = problem(f'<value xsi:type="CD" nullFlavor="OTH">{translation}</value>')

    coding = the(found, "Condition")["code"]["coding"]
    assert coding == [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}]


def test_text_by_reference_is_read_from_the_narrative():
    text = '<list><item ID="p">Sugar <content>trouble</content></item></list>'
    pointing = '<originalText><reference value="#p"/></originalText>'
    entry = statement("observation", "4.4", "p1", f'<value xsi:type="CD" nullFlavor="UNK">{pointing}</value>')

    found = document(section("2.5.1", entry, text=text))

    assert the(found, "Condition")["code"] == {"text": "Sugar trouble"}


def test_text_by_reference_is_that_of_its_own_section_and_else_of_the_document():
    pointing = '<originalText><reference value="#{}"/></originalText>'
    entries = [
        statement(
            "observation",
            "4.4",
            name,
            f'<value xsi:type="CD" nullFlavor="UNK">{pointing.format(name)}</value>',
        )
        for name in ("p", "q")
    ]
    others = section("2.7.1", text='<list><item ID="p">of others</item><item ID="q">elsewhere</item></list>')

    found = document(others, section("2.5.1", *entries, text='<list><item ID="p">own</item></list>'))

    assert [each["code"]["text"] for each in of_type(found, "Condition")] == ["own", "elsewhere"]


def test_one_id_for_two_different_problems_makes_two_conditions():
    entries = [statement("observation", "4.4", "same", value(code)) for code in ("44054006", "59621000")]

    found = document(section("2.5.1", *entries))

    one, other = of_type(found, "Condition")
    assert one["id"] == id_in(NURSING, "Condition", "1.2.5|same") != other["id"]
    assert ("information", "duplicate") in [(issue.severity, issue.code) for issue in found.issues]


def test_an_allergy_names_its_substance_and_kind():
    found = allergy(code("7980", RXNORM))

    made = the(found, "AllergyIntolerance")
    assert made["code"]["coding"][0]["system"] == "http://www.nlm.nih.gov/research/umls/rxnorm"
    assert (made["type"], made["category"]) == ("allergy", ["medication"])
    assert errors(found) == []


@pytest.mark.parametrize(
    ("kind", "none_known"),
    [("416098002", "409137002"), ("414285001", "429625007"), ("419199007", "716186003")],
)
def test_a_negated_allergy_without_substance_says_that_none_is_known(kind, none_known):
    found = allergy('<code nullFlavor="NA"/>', kind, NEGATED)

    made = the(found, "AllergyIntolerance")
    assert (codes(made["code"]), codes(made["verificationStatus"])) == ([none_known], ["confirmed"])
    assert errors(found) == []


def test_a_negated_allergy_to_a_substance_is_refuted():
    found = allergy(code("7980", RXNORM), attributes=NEGATED)

    made = the(found, "AllergyIntolerance")
    assert (codes(made["code"]), codes(made["verificationStatus"])) == (["7980"], ["refuted"])


@pytest.mark.parametrize(("mood", "intent"), [("INT", "order"), ("EVN", "plan")])
def test_a_medication_is_an_order_or_a_plan(mood, intent):
    inner = (
        '<statusCode code="aborted"/>'
        '<effectiveTime xsi:type="IVL_TS"><low value="20240101"/></effectiveTime>'
        '<effectiveTime xsi:type="PIVL_TS" operator="A"><period value="12" unit="h"/></effectiveTime>'
        f'<doseQuantity value="2"/>{product(code("314076", RXNORM))}'
    )
    entry = statement("substanceAdministration", "4.16", "m1", inner, f'moodCode="{mood}"')

    found = document(section("2.1.1", entry))

    made = the(found, "MedicationRequest")
    repeat = made["dosageInstruction"][0]["timing"]["repeat"]
    assert (made["status"], made["intent"]) == ("stopped", intent)
    assert repeat == {
        "boundsPeriod": {"start": "2024-01-01"},
        "frequency": 1,
        "period": 12,
        "periodUnit": "h",
    }
    assert errors(found) == []


@pytest.mark.parametrize(("attributes", "status"), [(NEGATED, "not-done"), ('moodCode="EVN"', "completed")])
def test_a_negated_immunization_was_not_done(attributes, status):
    vaccine = product(code("208", CVX) + "<lotNumberText>F1</lotNumberText>")
    inner = f'<effectiveTime value="20210701"/>{vaccine}'

    found = document(section("2.2.1", statement("substanceAdministration", "4.52", "i1", inner, attributes)))

    made = the(found, "Immunization")
    assert (made["status"], made["lotNumber"]) == (status, "F1")
    assert codes(made["vaccineCode"]) == ["208"]
    assert errors(found) == []


@pytest.mark.parametrize(
    ("inner", "element", "expected"),
    [
        ('<value xsi:type="PQ" value="7.2" unit="mmol/L"/>', "valueQuantity", "7.2"),
        ('<value xsi:type="ST">cloudy</value>', "valueString", "cloudy"),
        ('<value xsi:type="INT" value="4"/>', "valueInteger", "4"),
        (f'<value xsi:type="IVL_PQ">{LOW}{HIGH}</value>', "valueRange", "mg"),
        (f'<value xsi:type="IVL_PQ">{LOW}</value>', "valueQuantity", "'>='"),
        (f'<value xsi:type="IVL_PQ">{HIGH}</value>', "valueQuantity", "'<'"),
        ('<value xsi:type="BL" value="true"/>', "valueBoolean", "True"),
        ('<value xsi:type="TS" value="20240105"/>', "valueDateTime", "2024-01-05"),
        ('<value xsi:type="IVL_TS"><low value="2024"/></value>', "valuePeriod", "2024"),
        ('<value xsi:type="RTO"><numerator value="1"/><denominator value="64"/></value>', "valueRatio", "64"),
        ('<value xsi:type="PQ" nullFlavor="MSK"/>', "dataAbsentReason", "masked"),
        ('<value xsi:type="PQ" nullFlavor="UNK"/>', "dataAbsentReason", "unknown"),
    ],
)
def test_a_result_keeps_its_value_in_the_form_it_has(inner, element, expected):
    organizer = statement("organizer", "4.1", "R1", code("24323-8") + COMPLETED + measured("2345-7", inner))

    found = document(section("2.3.1", organizer))

    result, report = the(found, "Observation"), the(found, "DiagnosticReport")
    assert report["result"] == [{"reference": f"Observation/{result['id']}"}]
    assert expected in repr(result[element])


def test_a_file_is_a_document_that_its_result_is_derived_from():
    file = '<value xsi:type="ED" mediaType="text/rtf" representation="B64">eA==</value>'
    organizer = statement("organizer", "4.1", "R1", code("24323-8") + COMPLETED + measured("2345-7", file))

    found = document(section("2.3.1", organizer))

    result = the(found, "Observation")
    kept = next(
        each
        for each in of_type(found, "DocumentReference")
        if each["content"][0]["attachment"].get("data") == "eA=="
    )
    assert result["derivedFrom"] == [{"reference": f"DocumentReference/{kept['id']}"}]
    assert kept["content"][0]["attachment"]["contentType"] == "text/rtf"
    assert codes(result["dataAbsentReason"]) == ["unsupported"]
    assert errors(found) == []


def test_two_pressures_of_one_round_are_one_blood_pressure():
    when = '<effectiveTime value="20240101"/>'
    readings = (("8480-6", "120", "mm[Hg]"), ("8462-4", "80", "mm[Hg]"), ("29463-7", "70", "kg"))
    inner = [
        measured(loinc, f'{when}<value xsi:type="PQ" value="{number}" unit="{unit}"/>', "4.27")
        for loinc, number, unit in readings
    ]

    found = document(section("2.4.1", statement("organizer", "4.26", "V1", COMPLETED + "".join(inner))))

    panel, pressure, weight = of_type(found, "Observation")
    members = [member["reference"] for member in panel["hasMember"]]
    assert (codes(panel["code"]), members) == (
        ["85353-1"],
        [f"Observation/{pressure['id']}", f"Observation/{weight['id']}"],
    )
    assert [part["valueQuantity"]["value"] for part in pressure["component"]] == [120, 80]
    assert codes(weight["code"]) == ["29463-7"]
    assert weight["meta"]["profile"][1].endswith("us-core-body-weight")
    assert errors(found) == []


def test_a_value_set_taken_for_a_code_system_still_says_the_class_of_an_encounter():
    """HL7's own example of several CPT codes names the value set ActEncounterCode."""
    kind = code("AMB", "2.16.840.1.113883.1.11.13955")
    encounter = the(document(section("2.22.1", statement("encounter", "4.49", "e1", kind))), "Encounter")
    assert (encounter["class"]["system"].rpartition("/")[2], encounter["class"]["code"]) == (
        "v3-ActCode",
        "AMB",
    )
    assert codes(encounter["type"][0]) == ["AMB"]


def test_an_encounter_has_its_diagnosis():
    observation = related(statement("observation", "4.4", "d1", value("44054006")))
    diagnosis = related(f'<act moodCode="EVN">{template("4.80")}{observation}</act>')
    period = '<effectiveTime><low value="20240101"/><high value="20240105"/></effectiveTime>'

    entry = statement("encounter", "4.49", "e1", code("IMP", ACT_CODE) + period + diagnosis)
    found = document(section("2.22.1", entry))

    encounter, condition = the(found, "Encounter"), the(found, "Condition")
    assert (encounter["status"], encounter["class"]["code"]) == ("finished", "IMP")
    assert encounter["diagnosis"] == [{"condition": {"reference": f"Condition/{condition['id']}"}}]
    assert condition["encounter"] == {"reference": f"Encounter/{encounter['id']}"}
    assert codes(condition["category"][0]) == ["encounter-diagnosis"]
    assert errors(found) == []


def test_birth_sex_is_an_extension_of_the_patient_and_no_observation():
    entry = statement("observation", "4.200", "b1", value("F", "2.16.840.1.113883.5.1"))

    found = document(section("2.17", entry))

    assert the(found, "Patient")["extension"][0]["valueCode"] == "F"
    assert of_type(found, "Observation") == []


@pytest.mark.parametrize("part", ["4.78", "4.85", "4.511"])
@pytest.mark.parametrize(
    ("answer", "profile"),
    [(value("160604004"), "smokingstatus"), ('<value xsi:type="REAL" value="30.5"/>', "simple-observation")],
)
def test_tobacco_use_is_the_smoking_status_where_the_answer_is_coded(part, answer, profile):
    inner = code("11367-0") + COMPLETED + '<effectiveTime value="20240404"/>' + answer

    found = document(section("2.17", statement("observation", part, "s1", inner)))

    made = the(found, "Observation")
    assert made["meta"]["profile"] == [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{profile}"]
    assert codes(made["category"][0]) == ["social-history"]
    assert errors(found) == []


def test_the_document_is_kept_by_reference_and_with_its_confidentiality():
    found = document()

    made = the(found, "DocumentReference")
    attachment = made["content"][0]["attachment"]
    assert made["id"] == id_in(NURSING, "DocumentReference", "1.2.9|D1")
    assert codes(made["securityLabel"][0]) == ["R"]
    assert attachment["url"] == "urn:mosaic:record:willow_nursing:1.2.9-D1"
    assert "data" not in attachment
    assert errors(found) == []


def test_a_section_without_a_map_is_kept_as_text_and_told():
    text = "<paragraph>Walks</paragraph><paragraph>alone</paragraph>"

    found = document(section("2.99", "<act moodCode='EVN'/>", text=text))

    whole, kept = sorted(of_type(found, "DocumentReference"), key=lambda made: "relatesTo" in made)
    assert base64.b64decode(kept["content"][0]["attachment"]["data"]) == b"Walks\nalone"
    assert kept["relatesTo"][0]["target"] == {"reference": f"DocumentReference/{whole['id']}"}
    assert [(i.severity, i.code) for i in found.issues] == [("information", "informational")]
    assert errors(found) == []


def test_the_narrative_of_a_mapped_section_is_kept_beside_what_its_entries_make():
    entry = statement("observation", "4.4", "p1", value("44054006"))
    text = "<table><tr><td>Sugar</td><td>since 2019</td></tr></table>"

    found = document(
        section("2.5.1", entry.replace("<observation", "<observation classCode='OBS'"), text=text)
    )

    _, kept = sorted(of_type(found, "DocumentReference"), key=lambda made: "relatesTo" in made)
    condition = the(found, "Condition")
    assert base64.b64decode(kept["content"][0]["attachment"]["data"]) == b"Sugar | since 2019"
    assert kept["context"]["related"] == [{"reference": f"Condition/{condition['id']}"}]
    assert found.issues == ()
    assert errors(found) == []


def test_a_mapped_section_whose_facts_are_narrative_only_is_kept_as_text_too():
    found = document(section("2.5.1", text="Bad back"))

    assert len(of_type(found, "DocumentReference")) == 2


def test_a_document_without_a_patient_is_rejected():
    with pytest.raises(RecordRejected, match="patient"):
        mapped(
            NURSING,
            "documents",
            b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"/></ClinicalDocument>',
        )
