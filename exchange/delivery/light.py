"""Notices for organizations without a record system of their own: a table, no more than they need."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from exchange.consent.dates import EXCHANGE_ZONE
from exchange.delivery.bundles import instant
from exchange.delivery.told import Told
from exchange.formats.paper import Pairs, Paper, Table
from exchange.formats.pdf import pdf
from exchange.model.records import Resource

COLUMNS = ("event", "time", "person", "name", "birth_date", "phone", "what", "status", "since", "until")
"""What happened and when, to whom, how to reach the person; no diagnosis, no result, no free text."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def rows(told: Told) -> Iterator[tuple[str, ...]]:
    """One row for each event, in the order of COLUMNS."""
    people = {served.id: orjson.loads(served.body) for served in told.chosen.patients}
    for event in told.events:
        served = told.focus[event.event]
        record: Resource = orjson.loads(served.body) if served else {"resourceType": event.type}
        about = served.about if served else None
        person: Mapping[str, Any] = people.get(about or "", {})
        period: Mapping[str, Any] = record.get("period", {})
        yield (
            event.topic,
            instant(event.at),
            about or "",
            _name(person),
            str(person.get("birthDate", "")),
            _phone(person),
            _kind(record),
            str(record.get("status", "")),
            str(period.get("start", "")),
            str(period.get("end", "")),
        )


def table(told: Told, notices: Sequence[Resource]) -> bytes:
    """CSV in UTF-8; the words the law makes travel stand in lines of their own above the header."""
    text = io.StringIO()
    writer = csv.writer(text)
    for line in notice_lines(notices):
        writer.writerow([f"# {line}"])
    writer.writerow(COLUMNS)
    writer.writerows([harmless(cell) for cell in row] for row in rows(told))
    return text.getvalue().encode()


def page(told: Told, notices: Sequence[Resource], recipient: str, at: datetime) -> bytes:
    """The same as a PDF that a person reads: whom it is for, a line for each event, the notices beneath."""
    listed = [
        (row[0].replace("-", " "), _local(event.at), row[3], row[4], row[5], _told(*row[6:]))
        for event, row in zip(told.events, rows(told), strict=True)
    ]
    header = ("Event", "Time", "Name", "Born", "Phone", "What")
    head = Pairs([("For", recipient), ("Made", _local(at))])
    return pdf(
        Paper(
            title="Notice of what happened",
            language="en",
            blocks=[head, Table(header, listed, (20, 22, 26, 17, 22, 34)), *notice_lines(notices)],
            footer="Mosaic Exchange · confidential",
            made=at,
        )
    )


_VISITS = {
    "AMB": "outpatient visit", "EMER": "emergency visit", "IMP": "inpatient stay", "ACUTE": "inpatient stay",
    "NONAC": "inpatient stay", "OBSENC": "stay for observation", "SS": "short stay", "HH": "visit at home",
    "VR": "visit by phone or video", "FLD": "visit outside", "PRENC": "admission to come",
}  # fmt: skip
"""https://terminology.hl7.org/ValueSet-v3-ActEncounterCode.html"""


def _told(what: str, status: str, since: str, until: str) -> str:
    """What a row says of the record, in words.

    >>> _told("Encounter IMP", "finished", "2026-11-22T10:00:00-06:00", "2026-11-24")
    'inpatient stay, finished, from 2026-11-22 10:00 to 2026-11-24'
    """
    kind, _, visit = what.partition(" ")
    named = _VISITS.get(visit, "visit") if kind == "Encounter" else _CAPITALS.sub(" ", kind).lower()
    times = [f"{word} {at[:16].replace('T', ' ')}" for word, at in (("from", since), ("to", until)) if at]
    return ", ".join(filter(None, (named, status, " ".join(times))))


_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _local(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}"


def notice_lines(notices: Sequence[Resource]) -> list[str]:
    """The text of the notices, line by line."""
    return [
        line
        for notice in notices
        for content in notice["content"]
        for line in b64decode(content["attachment"]["data"]).decode().splitlines()
    ]


def harmless(cell: str) -> str:
    """A cell no spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection).

    >>> harmless("=1+1"), harmless("Ana")
    ("'=1+1", 'Ana')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _name(person: Mapping[str, Any]) -> str:
    name: Mapping[str, Any] = next(iter(person.get("name", ())), {})
    return " ".join([*name.get("given", ()), name.get("family", "")]).strip() or str(name.get("text", ""))


def _phone(person: Mapping[str, Any]) -> str:
    phones = [t.get("value", "") for t in person.get("telecom", ()) if t.get("system") == "phone"]
    return str(phones[0]) if phones else ""


def _kind(record: Mapping[str, Any]) -> str:
    """The kind of record; of a visit its class."""
    code = record.get("class", {}).get("code", "") if record["resourceType"] == "Encounter" else ""
    return f"{record['resourceType']} {code}".strip()
