from __future__ import annotations

from datetime import UTC, date, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.formats import Rejected, split
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Document, Format

PARTNER = Partner(
    code="example",
    namespace="https://example.example/",
    organization=Organization(name="Example", type="clinic"),
    agreement=Agreement(type="participation", signed=date(2026, 1, 1)),
    connector=Connector(type="folder"),
    feeds={"feed": Feed(format="delimited", map="x.map.yaml", key=("id",))},
)


def pieces(kind: Format, payload: bytes, *, key: tuple[str, ...] = (), deleted: bool = False, **options):
    feed = Feed(format=kind, map="x.map.yaml", key=key, options=options)
    return list(split(Document("feed", "file", payload, deleted), feed, PARTNER))


def rejections(found):
    return [piece for piece in found if isinstance(piece, Rejected)]


def test_a_message_is_known_by_sender_control_id_and_time_and_dated_by_its_header():
    (record,) = pieces("hl7v2", b"MSH|^~\\&|APP|FAC|||20240102030405+0000||ADT^A01|77\rPID|1")
    assert record.key == "APP|FAC|77|20240102030405+0000"
    assert record.event_time == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_file_of_one_row_that_lost_its_header_is_told():
    (found,) = pieces("delimited", b"7,Doe\n", key=("id",))
    assert found.issue.detail == "the file is one line without the column id: its header is missing"
    assert pieces("delimited", b"id,name\n", key=("id",)) == []


def test_one_broken_message_of_a_batch_is_rejected_alone():
    found = pieces("hl7v2", b"MSH|^~\\&|A|B|||||ADT^A01|1\rMSH|\rMSH|^~\\&|A|B|||||ADT^A01|2")
    assert [piece.record.payload for piece in rejections(found)] == [b"MSH|"]
    assert len(found) == 3


def test_a_row_is_a_json_object_in_column_order_under_its_key():
    (record,) = pieces("delimited", b'id,name,note\n7,"Doe, A",\n', key=("id",))
    assert record.payload == b'{"id":"7","name":"Doe, A","note":""}'
    assert (record.key, record.position) == ("7", "file line 2")


def test_only_the_rows_that_are_wrong_are_rejected():
    found = pieces("delimited", b"id,name\n1,A\n2\n,C\n4,D\n", key=("id",))
    assert [p.issue.position for p in rejections(found)] == ["file line 3", "file line 4"]
    assert [p.key for p in found if not isinstance(p, Rejected)] == ["1", "4"]


def test_delimiter_header_and_leading_lines_are_options():
    (record,) = pieces("delimited", b"export of today\n7|A\n", delimiter="|", columns=["id", "name"], skip=1)
    assert orjson.loads(record.payload) == {"id": "7", "name": "A"}


@pytest.mark.parametrize("payload", [b"", b"a,a\n1,2\n", "näme\n1".encode("latin-1")])
def test_a_delimited_file_that_cannot_be_read_is_one_rejection_with_all_its_bytes(payload):
    (found,) = pieces("delimited", payload)
    assert isinstance(found, Rejected)
    assert found.record.payload == payload


def test_resources_of_a_page_and_of_ndjson_are_the_same_records():
    one, two = {"resourceType": "Patient", "id": "1"}, {"resourceType": "Patient", "id": "2"}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one}, {"resource": two}]}
    lines = orjson.dumps(one) + b"\n" + orjson.dumps(two) + b"\n"
    by_page, by_line = (pieces("fhir_json", payload) for payload in (orjson.dumps(page), lines))
    assert [(r.key, r.payload) for r in by_page] == [(r.key, r.payload) for r in by_line]
    assert [r.key for r in by_page] == ["Patient/1", "Patient/2"]


def test_a_servers_remark_in_a_page_is_no_record():
    outcome = {"search": {"mode": "outcome"}, "resource": {"resourceType": "OperationOutcome"}}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [outcome]}
    assert pieces("fhir_json", orjson.dumps(page)) == []


def test_a_transaction_stays_one_record_under_the_bundles_id():
    bundle = {"resourceType": "Bundle", "type": "transaction", "id": "b", "entry": []}
    (record,) = pieces("fhir_json", orjson.dumps(bundle))
    assert record.key == "Bundle/b"


def test_a_bundle_of_deletions_gives_one_deletion_for_each():
    entries = [{"request": {"method": "DELETE", "url": f"Observation/{n}"}} for n in (1, 2)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    found = pieces("fhir_json", orjson.dumps(bundle))
    assert [(record.key, record.deleted) for record in found] == [
        ("Observation/1", True),
        ("Observation/2", True),
    ]


def test_a_history_is_taken_from_its_oldest_version_on():
    versions = [{"resource": {"resourceType": "Patient", "id": "1", "meta": {"versionId": v}}} for v in "21"]
    gone = {"request": {"method": "DELETE", "url": "Patient/1"}}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [gone, *versions]}
    found = pieces("fhir_json", orjson.dumps(bundle))
    assert [(r.key, r.deleted) for r in found] == [
        ("Patient/1", False),
        ("Patient/1", False),
        ("Patient/1", True),
    ]
    assert orjson.loads(found[0].payload)["meta"]["versionId"] == "1"


def test_a_broken_line_of_ndjson_does_not_hurt_its_neighbours():
    found = pieces(
        "fhir_json",
        b'{"resourceType":"Patient","id":"1"}\n{"resourceType"\n{"resourceType":"Patient","id":"3"}',
    )
    assert [piece.issue.position for piece in rejections(found)] == ["file line 2"]
    assert len(found) == 3


def test_one_line_with_nothing_but_space_after_it_is_a_document():
    (record,) = pieces("fhir_json", b'{"resourceType":"Patient","id":"1"}\n \r\n')
    assert record.position == "file"


def test_a_truncated_pretty_printed_resource_is_one_rejection():
    (found,) = pieces("fhir_json", b'{\n "resourceType": "Patient",\n "id": ')
    assert isinstance(found, Rejected)


def test_directory_objects_come_out_of_pages_and_lists():
    page, plain = b'{"page_number":1,"contents":[{"id":"a"},{"name":"no id"}]}', b'[{"id":"a"}]'
    found = pieces("hsds_json", page)
    assert [record.key for record in pieces("hsds_json", plain)] == ["a"]
    assert (found[0].key, len(rejections(found))) == ("a", 1)


def test_a_document_is_known_by_its_id_and_a_cut_one_is_rejected():
    text = b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2" extension="D1"/></ClinicalDocument>'
    assert [record.key for record in pieces("ccda", text)] == ["1.2|D1"]
    assert isinstance(pieces("ccda", text[:-10])[0], Rejected)


def test_entities_of_a_document_are_not_resolved(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("leaked")
    entity = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>'
    text = f'{entity}<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="&x;"/></ClinicalDocument>'
    assert "leaked" not in str(pieces("ccda", text.encode()))


@pytest.mark.parametrize("kind", ["hl7v2", "ccda", "delimited", "fhir_json", "hsds_json", "x12"])
@given(payload=st.binary(max_size=300))
def test_no_bytes_make_a_splitter_crash_or_vanish_unless_there_is_nothing(kind, payload):
    found = pieces(kind, payload)
    assert found or kind in ("delimited", "fhir_json", "hsds_json")


DEEP = 150
BOMB = (
    b"<!DOCTYPE a ["
    + b'<!ENTITY a0 "xxxxxxxxxx">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b']><ClinicalDocument xmlns="urn:hl7-org:v3">&a9;</ClinicalDocument>'
)


@pytest.mark.parametrize(
    ("kind", "payload", "code", "told"),
    [
        ("ccda", BOMB, "too-costly", "entities"),
        (
            "ccda",
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
            "structure",
            "entities",
        ),
        ("ccda", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "structure", "entities"),
        ("ccda", b"<a>" * 300 + b"</a>" * 300, "too-costly", "256 levels"),
        ("ccda", b"<a>" + b"x" * 10_000_001 + b"</a>", "too-costly", "10,000,000"),
        ("ccda", b"", "structure", "not well-formed"),
        ("fhir_json", b'{"a":' * DEEP + b"1" + b"}" * DEEP, "too-costly", "100 levels"),
        ("fhir_json", b"[" * DEEP + b"]" * DEEP, "too-costly", "100 levels"),
        ("hsds_json", b"[" * 100_000, "too-costly", "100 levels"),
        ("fhir_json", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too-costly", "100 levels"),
        ("delimited", b'id,name\n1,"' + b"x" * 200_000 + b'"\n', "structure", "longer than 131,072"),
        ("delimited", b'"' + b"x" * 200_000 + b'"\n', "structure", "longer than 131,072"),
        ("delimited", b"id,name\n1,\xff\n", "structure", "not utf-8"),
        ("hl7v2", b"MSH|^~\\&|A\rOBX|1|ST|||" + b"a~" * 100_001, "too-costly", "repetitions"),
        ("hl7v2", b"MSH|^~\\&|A" + b"\rNTE|1" * 100_001, "too-costly", "segments"),
    ],
)
def test_what_is_made_to_exhaust_its_reader_is_rejected_whole(kind, payload, code, told):
    found = pieces(kind, payload)
    (refused,) = rejections(found)
    assert (refused.issue.code, told in refused.issue.detail) == (code, True)
    assert refused.record.payload == payload


def test_a_place_inside_a_message_is_told_with_the_file_and_the_message():
    broken = b"MSH|^~\\&|A\rOBX|1|ST|||" + b"a~" * 100_001 + b"\r"
    (refused,) = rejections(pieces("hl7v2", b"MSH|^~\\&|A||||||ADT^A04|1\r" + broken))
    assert (refused.issue.position, refused.issue.expression) == ("file message 2 segment 2", "OBX-5")


def test_rows_before_a_field_without_end_are_records():
    found = pieces("delimited", b'id,name\n1,A\n2,"' + b"x" * 200_000)
    assert [p.key for p in found if not isinstance(p, Rejected)] == ["file line 2"]
    assert [p.issue.position for p in rejections(found)] == ["file line 3"]


def test_json_as_deep_as_a_document_may_be_is_read():
    (record,) = pieces("fhir_json", b'{"resourceType":"Basic","id":"1","x":' + b"[" * 90 + b"]" * 90 + b"}")
    assert record.key == "Basic/1"


def test_a_doctype_without_entities_does_no_harm():
    (record,) = pieces("ccda", b'<!DOCTYPE a><ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    assert not isinstance(record, Rejected)


@pytest.mark.parametrize("key", ["a\0b", "a" * 501])
def test_a_key_no_index_can_hold_is_no_key(key):
    (refused,) = rejections(pieces("hl7v2", f"MSH|^~\\&|A|B|||||ADT^A01|{key}\rPID|1".encode()))
    assert (refused.record.key, refused.issue.code) == ("file", "structure")
    assert key in refused.record.payload.decode()


def test_a_byte_order_mark_is_no_part_of_the_resource():
    (record,) = pieces("fhir_json", b'\xef\xbb\xbf{"resourceType":"Basic","id":"1"}')
    assert record.payload == b'{"resourceType":"Basic","id":"1"}'


STAYS = b"id,project\n1,P1\n2,P2\n3,P9\n4,\n"
BESIDE = {
    "Project.csv": b"\xef\xbb\xbfproject,owner\nP1,O1\nP2,O1\nP2,O2\n,O1\n",
    "Owner.csv": b"owner,kind\nO1,night\nO2,day\n",
}
JOIN = [
    {"file": "Project.csv", "by": "project", "take": ["owner"]},
    {"file": "Owner.csv", "by": "owner", "take": ["kind"]},
]


def joined(beside: dict[str, bytes], join: list[dict[str, object]]):
    feed = Feed(format="delimited", map="x.map.yaml", key=("id",), options={"join": join})
    return list(split(Document("feed", "file", STAYS, beside=beside), feed, PARTNER))


def test_rows_take_columns_of_other_files_and_what_is_missing_there_shows():
    found = [orjson.loads(piece.payload) for piece in joined(BESIDE, JOIN)]
    assert [(row["owner"], row["kind"]) for row in found] == [
        ("O1", "night"),
        ("O1|O2", "day|night"),
        ("", ""),
        ("", ""),
    ]


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({}, "joins Project.csv, which is not beside the file"),
        ({**BESIDE, "Owner.csv": b"id,kind\nO1,night\n"}, "Owner.csv has no column `owner`"),
        ({**BESIDE, "Owner.csv": b"\xff\xfe"}, "the bytes are not utf-8"),
    ],
)
def test_a_file_that_cannot_be_joined_rejects_the_document(beside, told):
    (found,) = rejections(joined(beside, JOIN))
    assert told in found.issue.detail
    assert found.record.payload == STAYS


TWICE = b'{"resourceType":"Patient","id":"1","name":[{"family":"A","family":"B"}]}'
BUNDLE = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":' + TWICE + b"}]}"
TWICE_DEEP = b'{"resourceType":"Patient","id":"1","x":' + b"[" * 1000 + b"]" * 1000 + b',"x":1}'
PLACE = b'{"id":"1","phones":[{"number":"1"},{"number":"2","number":"3"}]}'


@pytest.mark.parametrize(
    ("kind", "payload", "position"),
    [
        ("fhir_json", TWICE, "file name[0].family"),
        ("fhir_json", BUNDLE, "file entry[0].resource.name[0].family"),
        ("fhir_json", b'{"resourceType":"Patient","id":"0"}\n' + TWICE, "file line 2 name[0].family"),
        ("hsds_json", PLACE, "file phones[1].number"),
        ("hsds_json", b'[{"id":"1","n\\u0022":"\\u0022"},{"id":"2","id":"3"}]', "file [1].id"),
        ("fhir_json", TWICE_DEEP, "file ?"),
    ],
)
def test_a_key_that_stands_twice_is_told_and_the_record_is_taken(kind, payload, position):
    found = pieces(kind, payload)
    (told,) = rejections(found)
    assert (told.issue.code, told.issue.position) == ("duplicate", position)
    assert len(found) > 1


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_of_json_whose_keys_stand_once_nothing_is_told(value):
    payload = orjson.dumps([{"id": "1", "content": value}]) if _fits(value) else b'[{"id":"1"}]'
    assert rejections(pieces("hsds_json", payload)) == []


def _fits(value):
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return True


@pytest.mark.parametrize(
    ("name", "told"), [("Entry", "Bundle.Entry"), ("entries", "Bundle.entries"), ("Ann Doe 1980", "Bundle.?")]
)
@pytest.mark.parametrize("kind", ["collection", "transaction"])
def test_what_stands_under_a_name_no_bundle_has_is_kept_and_told(kind, name, told):
    patient = {"resourceType": "Patient", "id": "1"}
    bundle = {"resourceType": "Bundle", "id": "b", "type": kind, name: [{"resource": patient}], "_type": {}}
    (rejected,) = rejections(pieces("fhir_json", orjson.dumps(bundle)))
    assert (rejected.issue.code, rejected.issue.expression) == ("structure", told)
    assert rejected.record.payload == orjson.dumps(bundle)
