"""Files made to break a reader go through a whole run: each waits with reason and place, the rest is published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.app import Exchange
from exchange.pipeline import quarantine
from exchange.pipeline.balance import Balance
from tests.pipeline.coalition import ROOT, observation, patient
from tests.pipeline.pantry import PARTNER, make_pantry, open_pantry, run, write

FEEDS = PARTNER.split("feeds:\n")[0] + """\
feeds:
  people: {{format: delimited, map: people.map.yaml, match: "*.csv", key: [id]}}
  resources: {{format: fhir_json, map: _shared/maps/fhir_r4.map.yaml, match: "*.*json"}}
  messages: {{format: hl7v2, map: _shared/maps/hl7v2.map.yaml, match: "*.hl7"}}
  documents: {{format: ccda, map: _shared/maps/ccda.map.yaml, match: "*.xml"}}
"""
SAMPLE = next((ROOT / "mappings/willow_nursing/samples").rglob("*.xml")).read_bytes()
MESSAGE = "MSH|^~\\&|LAB|PANTRY|||20260301080000||ADT^A04|{control}|P|2.5.1\rPID|1||{mrn}^^^PANTRY&1.2.3.4&ISO^MR||Sample^Robin||19800102|F\r"
ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
TEXT = SAMPLE.decode()
BODY = TEXT[TEXT.index("<ClinicalDocument") :]


def fhir(number: int, **changed: object) -> bytes:
    return json.dumps({**patient(number), **changed}).encode()


def message(control: str, mrn: str = "7") -> bytes:
    return MESSAGE.format(control=control, mrn=mrn).encode()


# Of each file: how many of its records are published, and the (code, words of the reason, words of the place) of the rest.
FILES: dict[str, tuple[bytes, int, list[tuple[str, str, str]]]] = {
    "good.csv": (b"id,name,born\n1,A,\n", 1, []),
    "bom.csv": (b"\xef\xbb\xbfid,name,born\n2,B,\n", 1, []),
    "latin.csv": ("id,name,born\n3,Nuñez,\n".encode("latin-1"), 0, [("structure", "not utf-8", "latin.csv")]),
    "utf16.csv": ("id,name,born\n4,D,\n".encode("utf-16"), 0, [("structure", "not utf-8", "utf16.csv")]),
    "empty.csv": (b"", 0, [("structure", "empty", "line 1")]),
    "giant.csv": (b'id,name,born\n5,E,\n6,"' + b"x" * 200_000 + b'",\n', 1, [("structure", "131,072", "line 3")]),
    "open.csv": (b'id,name,born\n7,"G,\n' + b"8,H,\n" * 40_000, 0, [("structure", "quote", "line 2")]),
    "nul_key.csv": (b"id,name,born\n9\0,I,\n10,J,\n", 1, [("structure", "NUL", "nul_key.csv line 2")]),
    "nul_value.csv": (b"id,name,born\n11,K\0,\n12,L,\n", 1, [("invalid", "", "line 2")]),
    "binary.csv": (bytes(range(256)) * 40, 0, [("structure", "not utf-8", "binary.csv")]),
    "good.json": (fhir(1), 1, []),
    "bom.json": (b"\xef\xbb\xbf" + fhir(2), 1, []),
    "deep.json": (b'{"a":' * 5000 + b"1" + b"}" * 5000, 0, [("structure", "not well-formed", "line 1")]),
    "nested.json": (fhir(3, extension=None)[:-1] + b',"x":' + b"[" * 150 + b"]" * 150 + b"}", 0,
                    [("too-costly", "100 levels", "nested.json")]),
    "nul_id.json": (fhir(4, id="a\0b"), 0, [("structure", "NUL", "nul_id.json")]),
    "nul_name.json": (fhir(5, name=[{"family": "a\0b"}]), 0, [("", "", "")]),
    "surrogate.json": (fhir(6).replace(b"Rivera", b"\\ud800"), 0, [("structure", "not well-formed", "line 1")]),
    "empty.json": (b"", 0, [("structure", "not well-formed", "line 1")]),
    "latin.json": ('{"resourceType":"Patient","id":"ñ"}'.encode("latin-1"), 0, [("structure", "", "line 1")]),
    "utf16.json": (fhir(7).decode().encode("utf-16"), 0, [("structure", "not well-formed", "line 1")]),
    "giant.json": (fhir(8, name=[{"family": "x" * 3_000_000}]), 0, [("", "", "giant.json")]),
    "number.json": (fhir(9, multipleBirthInteger=10**400), 0, [("", "", "")]),
    "mixed.ndjson": (fhir(10) + b"\n" + b"[" * 2000 + b"\n\0\n" + json.dumps(observation(1, of=10)).encode(), 2,
                     [("structure", "not well-formed", "mixed.ndjson line 2"), ("structure", "", "mixed.ndjson line 3")]),
    "good.hl7": (message("1", "1"), 1, []),
    "bom.hl7": (b"\xef\xbb\xbf" + message("2", "2"), 1, []),
    "nul_control.hl7": (message("3\0", "3"), 0, [("structure", "NUL", "nul_control.hl7")]),
    "nul_field.hl7": (message("4", "4").replace(b"Robin", b"Ro\0bin"), 0, [("", "", "nul_field.hl7")]),
    "empty.hl7": (b"", 0, [("structure", "no MSH", "empty.hl7")]),
    "latin.hl7": (message("5", "5").replace(b"Robin", b"N\xfa\xf1ez"), 0, [("structure", "MSH-18", "latin.hl7")]),
    "binary.hl7": (bytes(range(256)) * 40, 0, [("structure", "no MSH", "binary.hl7")]),
    "giant.hl7": (message("6", "6").replace(b"Robin", b"x" * 3_000_000), 0, [("", "", "giant.hl7")]),
    "good.xml": (SAMPLE, 1, []),
    "bomb.xml": (f'<!DOCTYPE a [<!ENTITY a0 "x">{ENTITIES}]>{BODY.replace("<title>", "<title>&a9;", 1)}'.encode(), 0,
                 [("", "entities", "bomb.xml")]),
    "outside.xml": (f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>{BODY.replace("<title>", "<title>&x;", 1)}'.encode(), 0,
                    [("structure", "entities", "outside.xml")]),
    "deep.xml": (b"<a>" * 5000 + b"</a>" * 5000, 0, [("too-costly", "256 levels", "line 1")]),
    "giant.xml": (b"<a>" + b"x" * 11_000_000 + b"</a>", 0, [("too-costly", "10,000,000", "line 1")]),
    "nul.xml": (SAMPLE.replace(b"<title>", b"<title>\0", 1), 0, [("structure", "not well-formed", "line")]),
    "empty.xml": (b"", 0, [("structure", "not well-formed", "line 1")]),
    "wrong.xml": (b'<?xml version="1.0" encoding="klingon"?>' + BODY.encode(), 0, [("structure", "not well-formed", "line 1")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def done(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Exchange, Balance]:
    folder = tmp_path_factory.mktemp("hostile")
    files = make_pantry(folder)
    for name, (content, _, _) in FILES.items():
        write(files, name, content)
    exchange = open_pantry(folder, module_database, FEEDS)
    return exchange, run(exchange)


def test_look(done):
    exchange, balance = done
    print(balance)
    with exchange.work.connect() as connection:
        for row in connection.execute("SELECT s.position, s.outcome, q.code, q.severity, q.expression, q.position, left(q.detail,80) FROM source_record s LEFT JOIN quarantine q USING (record) ORDER BY 1"):
            print(row)
