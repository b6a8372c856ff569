"""Notices for organizations without a record system of their own: a table, no more than they need."""

from __future__ import annotations

import csv
import io
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from exchange.delivery.bundles import instant
from exchange.delivery.told import Told
from exchange.formats.paper import Paper, Table, pdf
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


def page(told: Told, notices: Sequence[Resource], at: datetime) -> bytes:
    """The same as a PDF: for each event a line that a person reads, the notices beneath."""
    listed = [(*row[:2], row[3], row[4], row[5], " ".join(filter(None, row[6:]))) for row in rows(told)]
    header = ("event", "time", "name", "born", "phone", "what")
    return pdf(
        Paper(
            title="Notice of what happened",
            language="en",
            blocks=[Table(header, listed, (16, 26, 24, 14, 18, 32)), *notice_lines(notices)],
            footer="Mosaic Exchange · confidential",
            made=at,
        )
    )


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
