"""hearth_housing: HMIS CSV files (a subset of FY2026, with three columns for the release of information)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from exchange.synthetic.contacts import Contact
from exchange.synthetic.directives import Directive
from exchange.synthetic.facts import Enrollment, History

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
_KEPT = ("DateCreated", "DateUpdated", "UserID", "DateDeleted", "ExportID")
COLUMNS: dict[str, tuple[str, ...]] = {
    "Client": (
        *("PersonalID", "FirstName", "MiddleName", "LastName", "NameSuffix", "NameDataQuality"),
        *("SSN", "SSNDataQuality", "DOB", "DOBDataQuality", "Sex", *_RACES, "RaceNone", "VeteranStatus"),
        *("ReleaseOfInformation", "ReleaseDate", "ReleaseEnd", *_KEPT),
    ),
    "Enrollment": (
        *(
            "EnrollmentID",
            "PersonalID",
            "ProjectID",
            "ProjectName",
            "ProjectType",
            "EntryDate",
            "HouseholdID",
        ),
        *("RelationshipToHoH", "LivingSituation", "DisablingCondition", "ExitDate", "Destination", *_KEPT),
    ),
    "Services": (
        *("ServicesID", "EnrollmentID", "PersonalID", "DateProvided", "RecordType", "TypeProvided", *_KEPT),
    ),
}

Row = dict[str, str]


def rows(history: History, now: datetime) -> Iterator[tuple[str, Row]]:
    """The rows of one client in a full export, each with the name of its file."""
    contact = history.contact(PARTNER)
    if not contact:
        return
    removed = _removed(history, now)
    yield "Client", _client(history, contact, now) | _kept(contact.since, now, removed)
    for enrollment in history.support.enrollments:
        if enrollment.entry <= now.date():
            yield (
                "Enrollment",
                _enrollment(history, contact, enrollment, now) | _kept(enrollment.entry, now, removed),
            )
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
        **_release(history, now),
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


def _enrollment(history: History, contact: Contact, found: Enrollment, now: datetime) -> Row:
    project, name, kind = found.project
    over = found.exit if found.exit and found.exit <= now.date() else None
    return {
        "EnrollmentID": enrollment_id(history, found),
        "PersonalID": contact.key,
        "ProjectID": project,
        "ProjectName": name,
        "ProjectType": kind,
        "EntryDate": found.entry.isoformat(),
        "HouseholdID": f"HH{history.person.household:07d}",
        "RelationshipToHoH": found.relationship,
        "LivingSituation": found.situation,
        "DisablingCondition": "1" if history.person.number % 3 == 0 else "0",
        "ExitDate": over.isoformat() if over else "",
        "Destination": "410" if over else "",
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
