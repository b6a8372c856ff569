"""Spreadsheets as they come: every way of saving one is read as told, or refused in words that help."""

from __future__ import annotations

import codecs
from datetime import date

import orjson
import pytest
import yaml

from exchange.app.partners.proposing import propose
from exchange.formats import Rejected, split
from exchange.formats.profile import profile_table
from exchange.formats.table_layout import layout
from exchange.model.errors import ContentError, RecordRejected
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Document

HEAD = "Patient ID,Last Name,First Name,DOB,Sex,CVX,Vaccine Name,Date Administered,Lot Number\n"
ROWS = (
    "A1,Núñez,Ana,04/12/1971,F,141,Influenza,01/02/2026,L1\n"
    "A2,Doe,Bo,11/30/1980,M,08,Hep B,01/03/2026,L2\n"
    "A3,Poe,Cy,01/02/1990,F,213,COVID,01/04/2026,L3\n"
)
TABLE = HEAD + ROWS
READ = {
    "as it is": TABLE.encode(),
    "with a mark": codecs.BOM_UTF8 + TABLE.encode(),
    "Windows": TABLE.encode("cp1252"),
    "UTF-16": TABLE.encode("utf-16"),
    "semicolons": TABLE.replace(",", ";").encode(),
    "tabs": TABLE.replace(",", "\t").encode(),
    "semicolons, and said so": ("sep=;\n" + TABLE.replace(",", ";")).encode(),
    "a title above": ("Immunizations of May\n\n" + TABLE).encode(),
    "old line ends": TABLE.replace("\n", "\r").encode(),
    "a line break in a cell": TABLE.replace("Influenza", '"Influenza\nquadrivalent"').encode(),
    "a formula in a cell": TABLE.replace("L1", '"=HYPERLINK(""http://x.example"",""L1"")"').encode(),
    "empty rows and columns": "".join(f"{line},,\n" for line in [*TABLE.splitlines(), ",,,,,,,,"]).encode(),
    "names that YAML would read": TABLE.replace("Lot Number", '"lot}\nentries: {}"').encode(),
    "a bracket in a name": TABLE.replace("Lot Number", "Lot [no]").encode(),
}


def records(payload: bytes, key: tuple[str, ...] = ()):
    saved = layout(payload)
    options = {"delimiter": saved.delimiter, "skip": saved.skip}
    feed = Feed(format="delimited", map="x", encoding=saved.encoding, options=options, key=key)
    partner = Partner(
        code="example",
        namespace="https://example.example/",
        organization=Organization(name="Example", type="clinic"),
        agreement=Agreement(type="participation", signed=date(2026, 1, 1)),
        connector=Connector(type="folder"),
        feeds={"feed": feed},
    )
    return list(split(Document("feed", "file", payload), feed, partner))


@pytest.mark.parametrize("payload", READ.values(), ids=READ)
def test_however_it_was_saved_the_table_is_read_and_a_map_proposed(payload):
    text, key = propose(profile_table(payload), "file.csv")
    proposed = yaml.safe_load(text)["entries"]
    assert list(proposed) == ["patient", "immunization"]
    assert proposed["patient"]["set"]["birthDate"] == 'DOB | date("%m/%d/%Y")'
    assert key == []
    found = records(payload)
    assert [type(item).__name__ for item in found] == ["SourceRecord"] * 3
    assert orjson.loads(found[0].payload)["Last Name"] == "Núñez"


def test_days_as_a_spreadsheet_counts_them_are_dates():
    dates = {"04/12/1971": "26035", "11/30/1980": "29555", "01/02/1990": "32875"}
    given = {"01/02/2026": "46024", "01/03/2026": "46025", "01/04/2026": "46026"}
    payload = TABLE
    for day, number in {**dates, **given}.items():
        payload = payload.replace(day, number)
    proposed = yaml.safe_load(propose(profile_table(payload.encode()), "file.csv")[0])["entries"]
    assert proposed["patient"]["set"]["birthDate"] == "DOB | excel_date"
    assert proposed["immunization"]["set"]["occurrenceDateTime"] == "[Date Administered] | excel_date"


ROUNDED = TABLE.replace("A1", "1.23457E+11").replace("A2", "1.23457E+11").replace("A3", "9.8E+11").encode()


def test_numbers_of_people_that_were_rounded_are_refused_before_and_after():
    with pytest.raises(ContentError, match="`Patient ID`: its long numbers are rounded"):
        propose(profile_table(ROUNDED), "file.csv")
    found = records(ROUNDED, ("Patient ID",))
    assert [item.issue.expression for item in found if isinstance(item, Rejected)] == ["Patient ID"] * 3


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "the file is empty"),
        (b",,,\n,,,\n", "the file is empty"),
        (TABLE.replace("First Name", "Last Name").encode(), "column 3 stands twice"),
    ],
)
def test_what_no_run_could_read_is_refused_when_it_is_brought(payload, told):
    with pytest.raises(RecordRejected, match=told):
        profile_table(payload)
    (found,) = records(payload)
    assert told in found.issue.detail


def test_a_header_alone_and_a_table_of_three_thousand_columns_are_read():
    assert len(profile_table(HEAD.encode())) == 9
    names = ",".join(f"c{n}" for n in range(3_000))
    wide = f"Patient ID,{names}\n" + f"1,{names}\n2,{names}\n"
    text, key = propose(profile_table(wide.encode()), "file.csv")
    assert (list(yaml.safe_load(text)["entries"]), key) == (["patient"], ["Patient ID"])
    assert len(records(wide.encode(), ("Patient ID",))) == 2
