"""A finding of the checks names where in the record that comes from of which it tells."""

from __future__ import annotations

import orjson
import pytest

from exchange.mapping.run import MOST
from exchange.model.records import SourceRecord
from exchange.pipeline.map import map_source
from tests.content import mapping as content
from tests.mapping.support import maps_of, record_of

HEADER = r"MSH|^~\&|A|B|||2026||ORU^R01|1|P|2.5.1"
PID = "PID|1||L7^^^LAKESIDE^MR||Doe^Ann||17120412|F"


def found(record, maps):
    """Expression and position of each finding that says more than information."""
    issues = map_source(record, maps)[0].issues
    return {(issue.expression, issue.position) for issue in issues if issue.severity != "information"}


def of_partner(partner, feed, payload, position):
    maps = content.maps_of(partner)
    kind = maps.partner.feeds[feed].format
    return found(SourceRecord(partner, feed, "k", kind, payload, position), maps)


def of_message(*segments):
    return of_partner("lakeside_hospital", "messages", "\r".join(segments).encode(), "1.hl7")


def test_of_a_message_it_is_the_field_and_its_segment():
    observations = [
        f"OBX|{n}|NM|718-7^Hgb^LN||9|g/dL|{limits}||||F" for n, limits in ((1, "9-2"), (2, "1-2"), (3, "9-3"))
    ]
    told = of_message(HEADER, PID, "OBR|1|O|F|718-7^Hgb^LN|||20240102", *observations)

    assert ("Patient.birthDate", "1.hl7 PID of person 1 PID-7") in told
    ranges = sorted(at for expression, at in told if expression == "Observation.referenceRange[0]")
    assert ["of result 1" in ranges[0], "of result 3" in ranges[1], len(ranges)] == [True, True, 2]
    assert all("OBX-7" in at for at in ranges)


def test_of_several_repetitions_it_is_the_one_that_is_wrong():
    pid = "PID|1||L7^^^LAKESIDE^MR^^20200101^20210101~X9^^^STATE^PT^^20220101^20200101||Doe^Ann||19710412|F"
    message = (HEADER, pid, "OBR|1|O|F|718-7^Hgb^LN|||2024", "OBX|1|NM|718-7^Hgb^LN||9|g/dL|||||F")
    (at,) = [at for expression, at in of_message(*message) if expression == "Patient.identifier[1].period"]
    assert at == "1.hl7 PID of person 1 PID-3[2].7; PID of person 1 PID-3[2].8"


ROW = """
format: delimited
entries:
  patient:
    resource: Patient
    id: key
    profile: us-core-patient
    set:
      identifier: {system: =urn:x, value: key}
      name: {family: last}
      gender: sex if sex in ("male", "female")
      birthDate: born | date
"""


def test_of_a_row_it_is_the_column_also_of_what_is_missing():
    told = found(
        record_of("delimited", '{"key":"1","last":"Doe","sex":"","born":"1712-04-12"}'),
        maps_of("delimited", ROW),
    )
    assert told == {("Patient.birthDate", "sample born"), ("Patient", "sample sex")}


DOCUMENT = """<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><patient>
<birthTime value="19710412"/><birthTime value="17120412"/></patient></patientRole>
</recordTarget></ClinicalDocument>"""
PEOPLE = """
format: ccda
entries:
  patient:
    resource: Patient
    each: //birthTime
    id: "@value"
    set: {birthDate: "@value | date"}
"""


def test_of_a_document_it_is_the_line_and_the_path_of_the_element():
    told = found(record_of("ccda", DOCUMENT), maps_of("ccda", PEOPLE))
    dates = {at for expression, at in told if expression == "Patient.birthDate"}
    assert dates == {"sample line 2 recordTarget/patientRole/patient/birthTime[2] @value"}


TREE = """
format: hsds_json
entries:
  place:
    resource: Location
    each: places
    id: id
    set: {name: name, hoursOfOperation: {daysOfWeek: day | lower}, telecom: {system: kind, value: number}}
"""


def test_of_a_tree_it_is_the_path_with_the_number_of_the_item():
    payload = orjson.dumps({"places": [{"id": "1", "name": "A"}, {"id": "2", "name": "B", "kind": "pigeon"}]})
    told = found(
        record_of("hsds_json", payload),
        maps_of("hsds_json", TREE.replace("hoursOfOperation: {daysOfWeek: day | lower}, ", "")),
    )
    assert ("Location.telecom[0].system", "sample places[1] kind") in told


OBSERVATION = {
    "resourceType": "Observation", "id": "1", "status": "final", "subject": {"reference": "Patient/p"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}, "valueString": "5",
    "effectiveDateTime": "1712-03-01",
}  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "inside"),
    [
        (OBSERVATION, ""),
        ({"resourceType": "Bundle", "type": "transaction",
          "entry": [{"request": {"method": "DELETE", "url": "Patient/x"}}, {"resource": OBSERVATION}]},
         "entry[1].resource."),
    ],
)  # fmt: skip
def test_of_fhir_it_is_the_path_as_sent(payload, inside):
    told = of_partner("prairie_clinic", "resources", orjson.dumps(payload), "page 1")
    assert ("Observation.effectiveDateTime", f"page 1 {inside}effectiveDateTime") in told


def test_a_record_without_findings_is_not_opened_again(monkeypatch):
    def refused(*_):
        raise AssertionError("the good path pays for it")

    monkeypatch.setattr("exchange.pipeline.map.observed_maps", refused)
    rows = '{"key":"1","last":"Doe","sex":"male","born":"1971-04-12"}'
    assert found(record_of("delimited", rows), maps_of("delimited", ROW)) == set()


DATES = """
format: hl7v2
messages: {ORU^R01: [patient, seen]}
entries:
  patient: {resource: Patient, id: PID-3, set: {active: true}}
  seen:
    resource: Observation
    each: OBX
    id: OBX-1
    set: {status: =final, code: {text: OBX-3}, effectiveDateTime: OBX-14 | datetime}
"""


def test_what_a_map_cannot_read_is_told_with_its_segment_the_first_twenty_times():
    lines = [HEADER, "PID|||7", *(f"OBX|{n}|ST|a||b|||||||||soon" for n in range(MOST + 30))]
    issues = map_source(record_of("hl7v2", "\r".join(lines)), maps_of("hl7v2", DATES))[0].issues

    told = [issue.position for issue in issues if issue.severity == "error"]
    assert told[:2] == ["sample OBX of OBX 1 OBX-14", "sample OBX of OBX 2 OBX-14"]
    assert len(told) == MOST
    assert [issue.detail for issue in issues if issue.code == "too-costly"] == [
        f"30 more are like the first {MOST}"
    ]
