"""What is read again is made again: by maps that remember as by maps that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.content import load_partners, read_tree
from exchange.formats.hl7v2_batch import messages
from exchange.mapping import Maps, load_maps, map_record
from exchange.mapping.load import observed_maps
from exchange.mapping.shapes import REMEMBERED, Remembered
from exchange.model.errors import RecordRejected
from exchange.model.records import Mapped, SourceRecord
from tests.mapping.support import maps_of, record_of

MAPPINGS = Path(__file__).parents[2] / "mappings"
SAMPLES = sorted((MAPPINGS / "lakeside_hospital/samples/messages").glob("*.hl7")) + sorted(
    (MAPPINGS / "_shared/samples/hl7v2").rglob("*.hl7")
)
SOME = [
    *SAMPLES[::3],
    *(pytest.param(path, marks=pytest.mark.slow) for path in SAMPLES if path not in SAMPLES[::3]),
]
OTHER = ("", '""', "Z9^Another^Y", "20260203040506")


def _variants(message: bytes) -> Iterator[bytes]:
    """The message, and with each of its fields and each of its segments in turn another or gone."""
    yield message
    lines = message.replace(b"\n", b"\r").split(b"\r")
    for at, line in enumerate(lines):
        fields = line.split(b"|")
        yield b"\r".join(lines[:at] + lines[at + 1 :])
        yield b"\r".join([*lines[: at + 1], line, *lines[at + 1 :]])
        for number in range(2 if fields[0] == b"MSH" else 1, len(fields)):
            text = OTHER[(at + number) % len(OTHER)].encode()
            other = b"|".join([*fields[:number], text, *fields[number + 1 :]])
            yield b"\r".join([*lines[:at], other, *lines[at + 1 :]])


def _made(message: bytes, maps: Maps, feed: str) -> object:
    record = SourceRecord(maps.partner.code, feed, "key", "hl7v2", message, "sample", False)
    try:
        return map_record(record, maps)
    except RecordRejected as refused:
        return str(refused)


@pytest.fixture(scope="module")
def hospital() -> tuple[Maps, Maps]:
    files = read_tree(MAPPINGS)
    remembering = load_maps(files, load_partners(files)["lakeside_hospital"])
    return remembering, observed_maps(remembering)


@pytest.mark.parametrize("path", SOME, ids=lambda path: path.stem)
def test_maps_that_remember_make_what_maps_that_do_not_remember_make(
    path: Path, hospital: tuple[Maps, Maps]
) -> None:
    remembering, plain = hospital
    for _, message in messages(path.read_bytes()):
        for variant in _variants(message):
            assert _made(variant, remembering, "messages") == _made(variant, plain, "messages")


def _hospital_map(rows: str) -> Maps:
    return maps_of(
        "hl7v2",
        "format: hl7v2\ngroups: {visit: {starts: [PV1]}}\nmessages: {ADT^A01: [patient, encounter]}\n"
        "entries:\n  patient:\n    resource: Patient\n    id: PID-3\n    set: {birthDate: PID-7 | date}\n"
        "  encounter:\n    resource: Encounter\n    each: PV1\n    id: PV1-19\n"
        f"    set:\n      status: =finished\n      class: {{code: =IMP}}\n{rows}",
    )


def _message(patient: str = "1", ward: str = "W1", born: str = "19710412", marks: str = "^~\\&") -> bytes:
    return (
        f"MSH|{marks}|||||||ADT^A01|9\rPID|||{patient}||||{born}\rPV1|||{ward}||||||||||||||||V1\r".replace(
            "^", marks[0]
        ).encode()
    )


def test_a_place_that_reads_the_same_is_the_same_object() -> None:
    maps = _hospital_map("      reasonCode: {text: PV1-3}\n")
    one, other = (map_record(record_of("hl7v2", _message(patient)), maps) for patient in ("1", "2"))
    assert one.resources[1] is other.resources[1]
    assert one.resources[0] != other.resources[0]


def test_what_a_resource_refers_to_counts_as_read() -> None:
    maps = _hospital_map("      subject: -> patient\n")
    one, other = (map_record(record_of("hl7v2", _message(patient)), maps) for patient in ("1", "2"))
    references = [found.resources[1]["subject"]["reference"] for found in (one, other)]
    assert references == [f"Patient/{found.resources[0]['id']}" for found in (one, other)]
    assert references[0] != references[1]


def test_facts_of_the_record_are_never_remembered() -> None:
    maps = _hospital_map("      reasonCode: {text: $key}\n")
    texts = [
        map_record(record_of("hl7v2", _message(), key), maps).resources[1]["reasonCode"][0]["text"]
        for key in ("first", "second")
    ]
    assert texts == ["first", "second"]


def test_a_segment_further_out_does_not_see_what_the_place_sees() -> None:
    maps = maps_of(
        "hl7v2",
        "format: hl7v2\ngroups: {order: {starts: [OBR]}}\nmessages: {ORU^R01: [request]}\n"
        "entries:\n  request:\n    resource: ServiceRequest\n    each: order\n    id: OBR-3\n    set:\n"
        "      status: =active\n      intent: =order\n      subject: {display: =x}\n"
        "      note: {$each: PV1, text: OBR-3}\n",
    )
    texts = [
        map_record(
            record_of("hl7v2", f"MSH|^~\\&|||||||ORU^R01|9\rPV1||I\rOBR|||{first}\rOBR|||B\r"), maps
        ).resources[1]["note"][0]["text"]
        for first in ("A", "C")
    ]
    assert texts == ["A", "C"]


WARDS = (
    "source_system,source_code,target_system,target_code,target_display,equivalence,from,to\n"
    ",W1,http://t,old,,equal,,2025-12-31\n,W1,http://t,new,,equal,2026-01-01,\n"
)


@pytest.mark.parametrize(
    "row",
    ['{code: PV1-3 | code("ward")}', '{$each: PV1-3, code: . | code("ward")}'],
    ids=["field", "place"],
)
def test_a_translation_that_depends_on_the_day_is_made_for_each_day(row: str) -> None:
    text = (
        "format: hl7v2\nmessages: {ADT^A01: [encounter]}\nentries:\n  encounter:\n    resource: Encounter\n"
        "    each: PV1\n    id: PV1-19\n    set:\n      status: =finished\n"
        f"      class: {row}\n"
    )
    maps = maps_of("hl7v2", text, {"_shared/codes/ward.csv": WARDS})
    days = (datetime(2025, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    made = [map_record(replace(record_of("hl7v2", _message()), event_time=day), maps) for day in days]
    assert [found.resources[0]["class"]["code"] for found in made] == ["old", "new"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('    deleted: PV1-3 = "gone"\n', lambda found: len(found.deleted)),
        (
            '    profile: [{when: PV1-3 = "gone", claim: us-core-encounter}]\n',
            lambda found: len(found.resources[-1]["meta"].get("profile", ())),
        ),
    ],
    ids=["deleted", "profile"],
)
def test_conditions_of_an_entry_count_as_read(row: str, told: Callable[[Mapped], int]) -> None:
    maps = _hospital_map("      reasonCode: {text: PV1-19}\n" + row)
    wards = ("W1", "gone", "W1")
    found = [told(map_record(record_of("hl7v2", _message(ward=ward)), maps)) for ward in wards]
    assert found == [0, 1, 0]


def test_what_an_entry_tells_it_tells_of_each_record() -> None:
    maps = _hospital_map("      reasonCode: {text: PV1-3}\n    tell: kept as text\n")
    told = [map_record(record_of("hl7v2", _message()), maps).issues for _ in range(2)]
    assert [[issue.detail for issue in issues] for issues in told] == [["kept as text"]] * 2


def test_an_issue_is_told_each_time() -> None:
    maps = _hospital_map("      period: {start: PV1-3 | datetime}\n")
    told = [len(map_record(record_of("hl7v2", _message()), maps).issues) for _ in range(2)]
    assert told == [1, 1]


def test_other_delimiters_are_read_anew() -> None:
    maps = _hospital_map("      reasonCode: {text: PV1-3.1}\n")
    usual, others = (
        map_record(record_of("hl7v2", _message(ward="A^B", marks=marks).replace(b"A#B", b"A^B")), maps)
        for marks in ("^~\\&", "#~\\&")
    )
    assert [found.resources[1]["reasonCode"][0]["text"] for found in (usual, others)] == ["A", "A^B"]


def test_where_little_comes_again_nothing_is_remembered() -> None:
    class Notes:
        notes = 0

    read: list[int] = []
    remembered = Remembered(lambda node, _run: read.append(node))
    for number in range(REMEMBERED):
        assert remembered.worth
        remembered.read(number, Notes(), number)
    assert len(read) == REMEMBERED
    assert not remembered.worth


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("PV1-6", [("PV1", 6)]),
        ('PV1-6 = "x" and PV1-42 in ("y", "z")', [("PV1", 6), ("PV1", 42)]),
        ("PV1-2 = PV1-3", []),
        ('PV1-6 != "x"', []),
        ("not PV1-6", []),
        ("PV1-6 or PV1-11", []),
        ("upper(PV1-6)", []),
    ],
)
def test_an_entry_wants_the_fields_without_which_its_condition_cannot_hold(
    condition: str, wanted: list[tuple[str, int]]
) -> None:
    text = (
        "format: hl7v2\nmessages: {ADT^A01: [ward]}\nentries:\n  ward:\n    resource: Location\n"
        f"    each: PV1\n    when: {condition}\n    id: PV1-3\n    set: {{name: PV1-3}}\n"
    )
    maps = maps_of("hl7v2", text)
    assert list(maps.feeds["feed"].entries["ward"].wants) == wanted
    assert observed_maps(maps).feeds["feed"].entries["ward"].wants == ()


def test_what_refers_to_an_entry_that_wants_more_than_is_said_refers_to_nothing() -> None:
    text = (
        "format: hl7v2\nmessages: {ADT^A01: [patient, doctor]}\nentries:\n"
        "  patient:\n    resource: Patient\n    id: PID-3\n"
        "    set: {active: true, generalPractitioner: -> doctor}\n"
        "  doctor:\n    resource: Practitioner\n    each: PD1-4\n    id: .1\n    set: {active: true}\n"
    )
    maps = maps_of("hl7v2", text)
    without, whole = (
        map_record(record_of("hl7v2", f"MSH|^~\\&|||||||ADT^A01\rPID|||1\rPD1||||{doctor}"), maps).resources
        for doctor in ("", "7")
    )
    assert [each["resourceType"] for each in without] == ["Patient"]
    assert "generalPractitioner" not in without[0]
    assert whole[0]["generalPractitioner"] == [{"reference": f"Practitioner/{whole[1]['id']}"}]
