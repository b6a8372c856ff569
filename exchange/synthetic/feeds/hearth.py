"""hearth_housing: an HMIS CSV export (FY2026) of the whole agency, and its table of signed releases.

https://files.hudexchange.info/resources/documents/HMIS-CSV-Format-Specifications.pdf
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib.resources import files

from exchange.synthetic.contacts import Contact
from exchange.synthetic.directives import Directive
from exchange.synthetic.facts import Enrollment, History
from exchange.synthetic.keys import NAMES
from exchange.synthetic.support import PROJECTS

PARTNER = "hearth_housing"
_RACES = (
    "AmIndAKNative",
    "Asian",
    "BlackAfAmerican",
    "HispanicLatinao",
    "MidEastNAfrican",
    "NativeHIPacific",
    "White",
)
_RACE_COLUMN = {"2106-3": "White", "2054-5": "BlackAfAmerican", "2028-9": "Asian"}
_RELEASES = (
    *("PersonalID", "ReleaseOfInformation", "ReleaseDate", "ReleaseEnd"),
    *("DateCreated", "DateUpdated", "UserID", "DateDeleted", "ExportID"),
)


def _columns() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    with files("exchange.synthetic.feeds").joinpath("hmis_columns.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["file"], []).append(row["column"])
    return {name: tuple(columns) for name, columns in found.items()} | {"ReleaseOfInformation": _RELEASES}


COLUMNS = _columns()
"""Columns by file: the HMIS CSV format of FY2026, and the agency's own table of signed releases."""
_ORGANIZATION = "HEARTH"

Row = dict[str, str]


def agency(now: datetime) -> Iterator[tuple[str, Row]]:
    """The rows that are about no client: the export itself, the agency and its projects."""
    kept = _kept(date(2024, 10, 1), now, None)
    yield (
        "Export",
        {
            "ExportID": f"HX{now:%Y%m%d}",
            "SourceType": "1",
            "SourceName": NAMES[PARTNER],
            "ExportDate": f"{now:%Y-%m-%d %H:%M:%S}",
            "ExportStartDate": "2024-10-01",
            "ExportEndDate": f"{now:%Y-%m-%d}",
            "SoftwareName": "Hearth HMIS",
            "CSVVersion": "2026 v1.0",
            "ExportPeriodType": "3",
            "ExportDirective": "2",
            "HashStatus": "1",
        },
    )
    name = {"OrganizationName": NAMES[PARTNER], "VictimServiceProvider": "0"}
    yield "Organization", {"OrganizationID": _ORGANIZATION} | name | kept
    for project, title, kind in PROJECTS.values():
        told = {"ProjectID": project, "OrganizationID": _ORGANIZATION, "ProjectName": title}
        more = {"OperatingStartDate": "2024-10-01", "ContinuumProject": "1", "ProjectType": kind}
        yield "Project", told | more | kept


def rows(history: History, now: datetime) -> Iterator[tuple[str, Row]]:
    """The rows of one client in a full export, each with the name of its file."""
    contact = history.contact(PARTNER)
    if not contact:
        return
    removed = _removed(history, now)
    kept = _kept(contact.since, now, removed)
    yield "Client", _client(history, contact, now) | kept
    yield "ReleaseOfInformation", {"PersonalID": contact.key} | _release(history, now) | kept
    for enrollment in history.support.enrollments:
        if enrollment.entry <= now.date():
            yield (
                "Enrollment",
                _enrollment(history, contact, enrollment) | _kept(enrollment.entry, now, removed),
            )
        if enrollment.exit and enrollment.exit <= now.date():
            yield "Exit", _exit(history, contact, enrollment) | _kept(enrollment.exit, now, removed)
        yield from _services(history, contact, enrollment, now)


def _removed(history: History, now: datetime) -> date | None:
    """A few clients are entered twice and deleted on the day after the reference day."""
    day = history.today + timedelta(days=1)
    return day if history.person.number % 89 == 7 and day <= now.date() else None


def _kept(since: date, now: datetime, removed: date | None) -> Row:
    written = f"{since.isoformat()} 10:12:00"
    gone = f"{removed.isoformat()} 09:30:00" if removed else ""
    export = f"HX{now:%Y%m%d}"
    return {"DateCreated": written, "DateUpdated": gone or written, "UserID": "u7", "DateDeleted": gone} | {
        "ExportID": export
    }


def _client(history: History, contact: Contact, now: datetime) -> Row:
    says, person = contact.says(now.date()), history.person
    race = "HispanicLatinao" if person.hispanic else _RACE_COLUMN.get(person.race[0], "White")
    return {
        "PersonalID": contact.key,
        "FirstName": says.given,
        "MiddleName": says.middle,
        "LastName": says.family,
        "NameDataQuality": "2" if "nickname" in contact.hazards else "1",
        "SSN": says.ssn,
        "SSNDataQuality": "99" if not says.ssn else "2" if "x" in says.ssn else "1",
        "DOB": says.birth.isoformat() if says.birth else "",
        "DOBDataQuality": "1" if says.birth else "99",
        "Sex": "0" if says.sex == "F" else "1",
        **{column: str(int(column == race)) for column in _RACES},
        "VeteranStatus": "0" if person.number % 11 else "1",
    }


def _release(history: History, now: datetime) -> Row:
    """1 signed and not withdrawn, 0 refused or withdrawn, 99 not asked."""
    asked = [d for d in history.directives if d.custodian == PARTNER and d.signed <= now.date()]
    if not asked:
        return {"ReleaseOfInformation": "99"}
    release: Directive = asked[-1]
    if not release.answer or (release.revoked and release.revoked <= now.date()):
        return {"ReleaseOfInformation": "0"}
    end = release.until.isoformat() if release.until else ""
    return {"ReleaseOfInformation": "1", "ReleaseDate": release.signed.isoformat(), "ReleaseEnd": end}


def enrollment_id(history: History, enrollment: Enrollment) -> str:
    """EnrollmentID."""
    return f"E{history.digits(PARTNER)}{enrollment.number:03d}"


def service_id(history: History, number: int) -> str:
    """ServicesID."""
    return f"S{history.digits(PARTNER)}{number:03d}"


def _enrollment(history: History, contact: Contact, found: Enrollment) -> Row:
    return {
        "EnrollmentID": enrollment_id(history, found),
        "PersonalID": contact.key,
        "ProjectID": found.project[0],
        "EntryDate": found.entry.isoformat(),
        "HouseholdID": f"HH{history.person.household:07d}",
        "RelationshipToHoH": found.relationship,
        "LivingSituation": found.situation,
        "DisablingCondition": "1" if history.person.number % 3 == 0 else "0",
    }


def _exit(history: History, contact: Contact, found: Enrollment) -> Row:
    assert found.exit is not None  # noqa: S101 - only what has ended has a row
    return {
        "ExitID": enrollment_id(history, found).replace("E", "X", 1),
        "EnrollmentID": enrollment_id(history, found),
        "PersonalID": contact.key,
        "ExitDate": found.exit.isoformat(),
        "Destination": "410",
    }


def _services(
    history: History, contact: Contact, found: Enrollment, now: datetime
) -> Iterator[tuple[str, Row]]:
    removed = _removed(history, now)
    for number, day, kind, provided in found.services:
        gone = (history.person.number + number) % 37 == 5 and now.date() > history.today
        if day <= now.date() and not gone:
            yield (
                "Services",
                {
                    "ServicesID": service_id(history, number),
                    "EnrollmentID": enrollment_id(history, found),
                    "PersonalID": contact.key,
                    "DateProvided": day.isoformat(),
                    "RecordType": kind,
                    "TypeProvided": provided,
                }
                | _kept(day, now, removed),
            )
