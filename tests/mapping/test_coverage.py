"""What of a record was read: of all four kinds of source, field by field."""

from __future__ import annotations

import json

import pytest

from exchange.mapping import map_record
from exchange.mapping.coverage import lost, positions, unread
from exchange.mapping.load import load_maps, observed_maps
from exchange.model.partner import Feed
from tests.mapping.support import mapped, maps_of, partner_of, record_of

HL7_MAP = """\
format: hl7v2
messages: {ADT^A01: [patient]}
entries:
  patient:
    resource: Patient
    id: PID-3.1
    set: {gender: 'PID-8 | code("gender")', birthDate: PID-7 | date}
"""
CODES = {
    "_shared/codes/gender.csv": "source_system,source_code,target_system,target_code,target_display,"
    "equivalence,from,to\n,F,http://hl7.org/fhir/administrative-gender,female,Female,equal,,\n"
}
MESSAGE = (
    "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\rPID|1||7||Doe^Ann||19800101|F\r"
    "AL1|1|DA|1191^Aspirin\rNTE|1||text\r"
)
CDA_MAP = """\
format: ccda
entries:
  patient:
    resource: Patient
    each: recordTarget/patientRole
    id: id/@extension
    set: {birthDate: patient/birthTime/@value | date}
  problem:
    resource: Condition
    each: //section[code/@code='11450-4']/entry/act
    id: id/@extension
    set: {code: {text: code/@displayName}, subject: -> patient}
"""
DOCUMENT = """\
<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id extension="7"/><patient>
<birthTime value="19800101"/><maritalStatusCode code="M"/></patient></patientRole></recordTarget>
<component><structuredBody>
<component><section><code code="11450-4"/><text>Asthma</text>
<entry><act><id extension="1"/><code displayName="Asthma"/></act></entry></section></component>
<component><section><code code="10160-0"/><text>Aspirin</text>
<entry><substanceAdministration><id extension="2"/></substanceAdministration></entry></section></component>
</structuredBody></component></ClinicalDocument>
"""
COLUMNS_MAP = """\
format: delimited
entries:
  patient: {resource: Patient, id: ClientID, set: {birthDate: Born | date}}
"""
JSON_MAP = """\
format: hsds_json
entries:
  organization:
    resource: Organization
    id: id
    set:
      name: name
      telecom: {$each: "phones", value: number}
"""


def found(kind, text, payload, files=None):
    return positions(record_of(kind, payload), observed_maps(maps_of(kind, text, files)))


def test_fields_of_a_message_that_no_row_reads_are_named_and_clinical_ones_are_lost():
    held = found("hl7v2", HL7_MAP, MESSAGE, CODES)
    assert unread(held) == ["PID-1", "PID-5", "AL1-1", "AL1-2", "AL1-3", "NTE-1", "NTE-3"]
    assert lost(held) == ["AL1-2", "AL1-3", "NTE-3"]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("7980^Penicillin~227493^Cashew", ["AL1-3[2]"]),
        ("7980^Penicillin~7980^Penicillin~", []),
        ('7980^Penicillin~""', []),
        ("7980^Penicillin", []),
    ],
)
def test_what_follows_the_first_repetition_is_lost_where_that_alone_is_asked_for(field, told):
    text = HL7_MAP.replace("[patient]", "[patient, allergy]") + (
        "  allergy:\n    resource: AllergyIntolerance\n    each: AL1\n    id: AL1-1\n"
        "    set: {code: {text: AL1-3.2}, patient: -> patient}\n"
    )
    every = text.replace("{text: AL1-3.2}", "{coding: [{$each: 'AL1-3[*]', display: .2}]}")
    sent = MESSAGE + f"AL1|1|DA|{field}\r"
    held = found("hl7v2", text, sent, CODES)
    assert [name for name in lost(held) if name.startswith("AL1-3")] == told
    assert [name for name in lost(found("hl7v2", every, sent, CODES)) if name.startswith("AL1-3")] == []


def test_an_own_segment_that_nobody_declared_is_a_clinical_loss_and_a_declared_one_is_not():
    held = found("hl7v2", HL7_MAP, MESSAGE + 'ZAL|1|peanuts|""\r', CODES)
    assert {"ZAL-1", "ZAL-2"} <= set(lost(held))
    declared = HL7_MAP.replace("set: {", "set: {language: ZAL-2, ", 1)
    held = found("hl7v2", declared, MESSAGE + "ZAL|1|peanuts\r", CODES)
    assert "ZAL-1" in unread(held)
    assert not [name for name in lost(held) if name.startswith("ZAL")]


def test_of_two_segments_the_one_that_no_row_reached_is_lost():
    text = HL7_MAP.replace("[patient]", "[patient, allergy]") + (
        "  allergy:\n    resource: AllergyIntolerance\n    id: AL1-3.1\n"
        "    set: {code: {text: AL1-3.2}, patient: -> patient}\n"
    )
    held = found("hl7v2", text, MESSAGE + "AL1|2|DA|7980^Penicillin\r", CODES)
    assert [position.read for position in held if position.name == "AL1-3"] == [True, False]


def test_sections_statements_and_narrative_of_a_document_that_no_row_reached_are_lost():
    held = found("ccda", CDA_MAP, DOCUMENT)
    assert lost(held) == [
        "section 11450-4/text",
        "section 10160-0/text",
        "section 10160-0/entry/substanceAdministration",
    ]
    assert "recordTarget/patientRole/patient/maritalStatusCode/@code" in unread(held)
    assert "recordTarget/patientRole/patient/birthTime/@value" not in unread(held)


def test_columns_that_no_row_reads_are_named_and_bookkeeping_is_not_lost():
    row = {"ClientID": "7", "Born": "1980-01-01", "Notes": "x", "DateUpdated": "2026-01-01", "Empty": ""}
    held = found("delimited", COLUMNS_MAP, json.dumps(row))
    assert (unread(held), lost(held)) == (["Notes", "DateUpdated"], ["Notes"])


def test_members_of_json_that_no_row_reads_are_named_by_their_path():
    source = {"id": "1", "name": "N", "phones": [{"number": "1", "extension": "2"}], "url": "http://x"}
    assert unread(found("hsds_json", JSON_MAP, json.dumps(source))) == ["phones.extension", "url"]


def test_a_copied_resource_is_read_whole():
    text = 'format: fhir_json\nentries:\n  all: {resource: "*", copy: true}\n'
    source = {"resourceType": "Patient", "id": "1", "contact": [{"name": {"text": "Ann"}}]}
    assert unread(found("fhir_json", text, json.dumps(source))) == []


def test_observing_changes_nothing_of_what_is_made():
    for kind, text, payload in (("hl7v2", HL7_MAP, MESSAGE), ("ccda", CDA_MAP, DOCUMENT)):
        observed = observed_maps(maps_of(kind, text, CODES))
        assert map_record(record_of(kind, payload), observed) == mapped(kind, text, payload, CODES)


def test_no_position_holds_a_value():
    names = " ".join(position.name for position in found("ccda", CDA_MAP, DOCUMENT))
    assert "Asthma" not in names
    assert "1980" not in names


def test_columns_that_only_join_files_are_no_loss():
    join = [{"file": "Project.csv", "by": "project", "take": ["kind", "owner"]}]
    feed = Feed(format="delimited", map="feed.map.yaml", options={"join": join})
    entry = "  patient:\n    resource: Patient\n    id: key\n    set: {language: kind}\n"
    partner = partner_of("delimited").model_copy(update={"feeds": {"feed": feed}})
    observed = observed_maps(
        load_maps({"example/feed.map.yaml": f"format: delimited\nentries:\n{entry}"}, partner)
    )
    row = '{"key": "7", "project": "P1", "kind": "en", "owner": "O1", "remark": "x"}'
    found = positions(record_of("delimited", row), observed)
    assert [(position.name, position.read) for position in found] == [
        ("key", True),
        ("kind", True),
        ("remark", False),
    ]


def test_a_section_that_says_that_it_says_nothing_has_lost_nothing():
    empty = DOCUMENT.replace("<section>", '<section nullFlavor="NI">')
    assert "section 10160-0/text" in lost(found("ccda", CDA_MAP, empty))
    said = empty.replace("<text>Aspirin</text>", "<text>No information about medications.</text>")
    assert "section 10160-0/text" not in lost(found("ccda", CDA_MAP, said))


def test_a_deletion_by_name_alone_holds_nothing():
    text = 'format: fhir_json\nentries:\n  all: {resource: "*", copy: true}\n'
    gone = record_of("fhir_json", "", "Patient/1", deleted=True)
    assert positions(gone, observed_maps(maps_of("fhir_json", text))) == []
