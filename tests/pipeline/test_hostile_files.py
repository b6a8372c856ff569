"""Files made to break a reader, through a whole run: each waits with reason and place, the rest goes on."""

from __future__ import annotations

import json
from typing import cast

import pytest

from exchange.app import Exchange
from exchange.mapping import Maps
from exchange.model.records import Issue, Mapped, SourceRecord
from exchange.pipeline import map as pipeline_map
from exchange.pipeline.balance import Balance
from tests.pipeline.coalition import ROOT, observation, patient
from tests.pipeline.pantry import PARTNER, make_pantry, open_pantry, run, write

FEEDS = (
    PARTNER.split("feeds:\n")[0]
    + """\
feeds:
  people: {{format: delimited, map: people.map.yaml, match: "*.csv", key: [id]}}
  resources: {{format: fhir_json, map: _shared/maps/fhir_r4.map.yaml, match: "*.*json"}}
  messages: {{format: hl7v2, map: _shared/maps/hl7v2.map.yaml, match: "*.hl7"}}
  documents: {{format: ccda, map: _shared/maps/ccda.map.yaml, match: "*.xml"}}
"""
)
SAMPLE = next((ROOT / "mappings/willow_nursing/samples").rglob("*.xml")).read_bytes()
MESSAGE = (
    "MSH|^~\\&|LAB|PANTRY|||20260301080000||ADT^A04|{control}|P|2.5.1\r"
    "PID|1||{mrn}^^^PANTRY&1.2.3.4&ISO^MR||Sample^Robin||19800102|F\r"
)
ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
TEXT = SAMPLE.decode()
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
BODY = TEXT[TEXT.index("<ClinicalDocument") :]


def fhir(number: int, **changed: object) -> bytes:
    return json.dumps({**patient(number), **changed}).encode()


def message(control: str, mrn: str = "7") -> bytes:
    return MESSAGE.format(control=control, mrn=mrn).encode()


# Of each file: how many of its records are published; of the others code, words of the reason, of the place.
FILES: dict[str, tuple[bytes, int, list[tuple[str, str, str]]]] = {
    "good.csv": (b"id,name,born\n1,A,\n", 1, []),
    "bom.csv": (b"\xef\xbb\xbfid,name,born\n2,B,\n", 1, []),
    "latin.csv": ("id,name,born\n3,Nuñez,\n".encode("latin-1"), 0, [("structure", "not utf-8", "latin.csv")]),
    "utf16.csv": ("id,name,born\n4,D,\n".encode("utf-16"), 0, [("structure", "not utf-8", "utf16.csv")]),
    "empty.csv": (b"", 0, [("structure", "empty", "line 1")]),
    "giant.csv": (
        b'id,name,born\n5,E,\n6,"' + b"x" * 200_000 + b'",\n',
        1,
        [("structure", "131,072", "line 3")],
    ),
    "open.csv": (b'id,name,born\n7,"G,\n' + b"8,H,\n" * 40_000, 0, [("structure", "quote", "line 2")]),
    "nul_key.csv": (b"id,name,born\n9\0,I,\n10,J,\n", 1, [("structure", "NUL", "nul_key.csv line 2")]),
    "nul_value.csv": (b"id,name,born\n11,K\0,\n12,L,\n", 1, [("invalid", "NUL", "line 2")]),
    "binary.csv": (bytes(range(256)) * 40, 0, [("structure", "not utf-8", "binary.csv")]),
    "good.json": (fhir(1), 1, []),
    "bom.json": (b"\xef\xbb\xbf" + fhir(2), 1, []),
    "deep.json": (b'{"a":' * 5000 + b"1" + b"}" * 5000, 0, [("too-costly", "100 levels", "deep.json")]),
    "nested.json": (
        fhir(3, extension=None)[:-1] + b',"x":' + b"[" * 150 + b"]" * 150 + b"}",
        0,
        [("too-costly", "100 levels", "nested.json")],
    ),
    "nul_id.json": (fhir(4, id="a\0b"), 0, [("structure", "NUL", "nul_id.json")]),
    "giant_id.json": (fhir(40, id="a" * 3000), 0, [("structure", "longer than 500", "giant_id.json")]),
    "nul_name.json": (fhir(5, name=[{"family": "a\0b"}]), 0, [("invalid", "NUL", "nul_name.json")]),
    "surrogate.json": (
        fhir(6).replace(b"Rivera", b"\\ud800"),
        0,
        [("structure", "not well-formed", "line 1")],
    ),
    "empty.json": (b"", 0, [("structure", "not well-formed", "line 1")]),
    "latin.json": (
        '{"resourceType":"Patient","id":"ñ"}'.encode("latin-1"),
        0,
        [("structure", "not well-formed", "line 1")],
    ),
    "utf16.json": (fhir(7).decode().encode("utf-16"), 0, [("structure", "not well-formed", "line 1")]),
    "giant.json": (fhir(8, name=[{"family": "y" * 3_000_000}]), 1, []),
    "number.json": (fhir(9, multipleBirthInteger=10**400), 0, [("structure", "not well-formed", "line 1")]),
    "mixed.ndjson": (
        fhir(10) + b"\n" + b"[" * 2000 + b"\n\0\n" + json.dumps(observation(1, of=10)).encode(),
        2,
        [("too-costly", "100 levels", "mixed.ndjson line 2"), ("structure", "not well-formed", "line 3")],
    ),
    "good.hl7": (message("1", "1"), 1, []),
    "bom.hl7": (b"\xef\xbb\xbf" + message("2", "2"), 1, []),
    "nul_control.hl7": (message("3\0", "3"), 0, [("structure", "NUL", "nul_control.hl7")]),
    "nul_field.hl7": (
        message("4", "4").replace(b"Robin", b"Ro\0bin"),
        0,
        [("invalid", "NUL", "nul_field.hl7")],
    ),
    "empty.hl7": (b"", 0, [("structure", "no MSH", "empty.hl7")]),
    "latin.hl7": (
        message("5", "5").replace(b"Robin", b"N\xfa\xf1ez"),
        0,
        [("structure", "MSH-18", "latin.hl7")],
    ),
    "binary.hl7": (bytes(range(256)) * 40, 0, [("structure", "no MSH", "binary.hl7")]),
    "giant.hl7": (message("6", "6").replace(b"Robin", b"y" * 3_000_000), 1, []),
    "good.xml": (SAMPLE, 1, []),
    "bomb.xml": (
        f'<!DOCTYPE a [<!ENTITY a0 "x">{ENTITIES}]>{BODY.replace("<title>", "<title>&a9;", 1)}'.encode(),
        0,
        [("too-costly", "entities", "line 1")],
    ),
    "outside.xml": (
        (OUTSIDE + BODY.replace("<title>", "<title>&x;", 1)).encode(),
        0,
        [("structure", "entities", "outside.xml")],
    ),
    "deep.xml": (b"<a>" * 5000 + b"</a>" * 5000, 0, [("too-costly", "256 levels", "line 1")]),
    "giant.xml": (b"<a>" + b"x" * 11_000_000 + b"</a>", 0, [("too-costly", "10,000,000", "line 1")]),
    "nul.xml": (SAMPLE.replace(b"<title>", b"<title>\0", 1), 0, [("structure", "not well-formed", "line")]),
    "empty.xml": (b"", 0, [("structure", "not well-formed", "line 1")]),
    "wrong.xml": (
        b'<?xml version="1.0" encoding="klingon"?>' + BODY.encode(),
        0,
        [("structure", "not well-formed", "line 1")],
    ),
}


@pytest.fixture(scope="module")
def done(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Exchange, Balance]:
    folder = tmp_path_factory.mktemp("hostile")
    files = make_pantry(folder)
    for name, (content, _, _) in FILES.items():
        write(files, name, content)
    exchange = open_pantry(folder, module_database, FEEDS)
    return exchange, run(exchange)


Errors = list[tuple[str, str, str]]
Found = dict[str, dict[str, tuple[str, Errors]]]


@pytest.fixture(scope="module")
def found(done: tuple[Exchange, Balance]) -> Found:
    """By file and place: the record's outcome, and the errors it has (code, reason, place)."""
    query = (
        "SELECT s.position, s.outcome, q.code, q.detail, q.position"
        " FROM source_record s LEFT JOIN quarantine q"
        " ON q.record = s.record AND q.severity IN ('error', 'fatal') ORDER BY s.record, q.ordinal"
    )
    files: Found = {}
    with done[0].work.connect() as connection:
        for place, outcome, code, detail, position in connection.execute(query):
            _, errors = files.setdefault(place.split(" ")[0], {}).setdefault(place, (outcome, []))
            errors += [(code, detail, position)] if code else []
    return files


def test_the_run_balances_and_no_document_is_forgotten(done: tuple[Exchange, Balance], found: Found) -> None:
    balance = done[1]
    assert (balance.status, balance.balanced) == ("balanced", True)
    assert set(found) == {*FILES, "partner.yaml"}
    assert balance.records["quarantined"] == sum(len(reasons) for _, _, reasons in FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_read_waits_with_reason_and_place_and_the_rest_is_published(
    name: str, found: Found
) -> None:
    _, published, reasons = FILES[name]
    outcomes = [outcome for outcome, _ in found[name].values()]
    waiting = [errors[0] for outcome, errors in found[name].values() if outcome == "quarantined"]
    assert outcomes.count("published") == published
    assert len(waiting) == len(reasons) == len(outcomes) - published
    for (code, detail, place), (expected, words, part) in zip(waiting, reasons, strict=True):
        assert (code, words in detail, part in place) == (expected, True, True)


def test_no_reason_tells_what_the_record_says(found: Found) -> None:
    told = str([errors for records in found.values() for _, errors in records.values()])
    assert not any(name in told for name in ("Rivera", "Robin", "Sample", "xxxx"))


def test_an_error_no_map_foresaw_keeps_one_record_back_and_names_its_kind_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> Mapped:
        raise KeyError("Jane Roe")

    monkeypatch.setattr(pipeline_map, "map_record", broken)
    record = SourceRecord("pantry", "people", "1", "delimited", b"{}", "people.csv line 2")
    mapped, _ = pipeline_map.map_source(record, cast("Maps", None))
    told = "unexpected while mapping (KeyError); please report it"
    assert mapped.issues == (Issue("fatal", "exception", told, "", "people.csv line 2"),)
