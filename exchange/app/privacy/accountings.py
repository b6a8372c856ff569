"""The accounting of disclosures a person asks for: as FHIR, as a table, as a page in his language."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache, partial
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

import orjson

from exchange.app.opening import Exchange
from exchange.app.privacy.auditing import read_log
from exchange.app.privacy.subjects import Language, Subject
from exchange.app.privacy.suspending import accountable
from exchange.audit import look_without_names, looks
from exchange.audit.report import Facts, Law, Line, Report, report
from exchange.consent import Context
from exchange.delivery.light import harmless
from exchange.formats.paper import Pairs, Paper, Table
from exchange.formats.pdf import pdf
from exchange.model.audit import LOOKED
from exchange.model.partner import DEFAULT_TIMEZONE

Form = Literal["fhir", "csv", "pdf"]

_TPO = ("TREAT", "HPAYMT", "HOPERAT")
# Within operations in HL7's tree, and accounted for all the same (45 CFR 164.512).
_NOT_ORDINARY = frozenset({"HLEGAL", "GOV", "FRAUD", "HDECD", "DONAT"})
_ZONE = ZoneInfo(DEFAULT_TIMEZONE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for; `patient`: id of any of his Patients, `since`: less than the law's time."""

    patient: str
    law: Law = "hipaa"
    since: date | None = None


def account(exchange: Exchange, asked: Asked, reader: str) -> Report:
    """The report; that `reader` looked is itself recorded, in the same transaction."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        found = accountable(connection, asked.patient, at)
        if asked.law == "all":
            found = [*found, *looks(connection, asked.patient)]
        read_log(connection, reader, f"accounting of disclosures ({asked.law})", [asked.patient], at)
        connection.commit()
    since = datetime.combine(asked.since, time(), _ZONE) if asked.since else None
    return report(found, asked.law, facts_of(exchange.context), at, since)


def facts_of(context: Context) -> Facts:
    """What the rules in force say of purposes, participants and obligations."""
    purposes = context.rules.vocabulary.refused
    ordinary = frozenset(code for top in _TPO for code in purposes[top]) - _NOT_ORDINARY
    policies = [rule.policy for rule in context.rules.rules]
    return Facts(
        ordinary=ordinary,
        individual=frozenset(purposes["PATRQT"]),
        covered=frozenset(code for code, p in context.participants.items() if p.covered_entity),
        always=frozenset(p.id for p in policies if "account-for" in p.obligations),
        part2=frozenset(p.id for p in policies if "consent-copy" in p.obligations),
    )


def as_fhir(exchange: Exchange, found: Report) -> bytes:
    """A collection of the AuditEvents accounted for, whole; looks at the console without names."""
    numbers = [number for line in found.lines for number in line.sequences]
    with exchange.work.connect() as connection:
        rows = connection.execute(
            "SELECT sequence, kind, patient::text, body FROM audit_event WHERE sequence = ANY(%s)"
            " ORDER BY sequence",
            (numbers,),
        ).fetchall()
    entries = [
        {
            "fullUrl": f"urn:mosaic:audit:{number}",
            "resource": {**(look_without_names(body, about) if kind in LOOKED else body), "id": str(number)},
        }
        for number, kind, about, body in rows
    ]
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]},
        "timestamp": found.until.isoformat(timespec="seconds"),
        "entry": entries,
    }
    return orjson.dumps(bundle if entries else {k: v for k, v in bundle.items() if k != "entry"})


_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def as_csv(found: Report, language: Language) -> bytes:
    """One line for each recipient and purpose, headed in the language asked for."""
    words = words_of(language)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([words[f"column.{name}"] for name in _COLUMNS])
    lines = (_cells(line, words, "{:%Y-%m-%d}".format) for line in found.lines)
    writer.writerows([harmless(cell) for cell in cells] for cells in lines)
    return text.getvalue().encode()


def as_pdf(found: Report, language: Language, subject: Subject, reader: str) -> bytes:
    """A page for the person, made by `reader`: whom it is for stands on it, and in no name of a file."""
    words = words_of(language)
    say = partial(day_in, words)
    since = say(_day(found.since)) if found.since else ""
    intro = words[f"intro.{found.law}"].format(since=since, until=say(_day(found.until)))
    rows = [_cells(line, words, say) for line in found.lines]
    header = [words[f"column.{name}"] for name in _COLUMNS]
    listed = Table(header, rows, (20, 30, 32, 18)) if rows else words["none"]
    return pdf(
        Paper(
            title=words[f"title.{found.law}"],
            language=language,
            blocks=[_head(found, words, subject, reader), intro, listed, words["rights"]],
            footer=words["footer"].format(at=say(_day(found.until))),
            made=found.until,
        )
    )


_COLUMNS = ("when", "recipient", "what", "purpose")


def _head(found: Report, words: Mapping[str, str], subject: Subject, reader: str) -> Pairs:
    """For whom, of which time, by whom."""
    born = words["born"].format(born=_born(words, subject.born)) if subject.born else ""
    since = day_in(words, _day(found.since)) if found.since else "…"
    return Pairs(
        [
            (words["head.person"], ", ".join(filter(None, (subject.name or words["unnamed"], born)))),
            (words["head.period"], f"{since} – {day_in(words, _day(found.until))}"),
            (words["head.reader"], reader),
        ]
    )


def _cells(line: Line, words: Mapping[str, str], say: Callable[[date], str]) -> list[str]:
    when = say(_day(line.first))
    if line.times > 1:
        first, last = say(_day(line.first)), say(_day(line.last))
        said = words["repeated.day" if first == last else "repeated"]
        when = said.format(times=line.times, first=first, last=last)
    what = ", ".join(words.get(f"type.{kind}", kind) for kind in line.records)
    who = words.get(f"recipient.{line.participant}", line.recipient)
    return [when, who, what, words.get(f"purpose.{line.purpose}", line.purpose)]


def _day(at: datetime) -> date:
    return at.astimezone(_ZONE).date()


def day_in(words: Mapping[str, str], day: date) -> str:
    """A day as the language writes it.

    >>> day_in(words_of("es"), date(2026, 11, 28)), day_in(words_of("uk"), date(1934, 2, 1))
    ('28 nov 2026', '1 лют. 1934 р.')
    """
    month = words["months"].split()[day.month - 1]
    return words["day"].format(day=day.day, month=month, year=day.year)


def _born(words: Mapping[str, str], text: str) -> str:
    """A birth date of which only the year or the month is known stays as it is."""
    try:
        return day_in(words, date.fromisoformat(text))
    except ValueError:
        return text


@cache
def words_of(language: Language) -> dict[str, str]:
    """The words of the pages in one language, by key."""
    text = (files("exchange.app.privacy") / "accounting_words.csv").read_text("utf-8")
    return {row["key"]: row[language] for row in csv.DictReader(io.StringIO(text))}
