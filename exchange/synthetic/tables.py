"""The code tables and word lists of `data/`, read once."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
SSN = "http://hl7.org/fhir/sid/us-ssn"


@dataclass(frozen=True, slots=True)
class Code:
    """A code with its system and display."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Disorder:
    """A row of conditions.csv: whom it may befall and how often."""

    group: str
    icd10cm: Code
    snomed: Code | None
    from_age: int
    to_age: int
    sex: str
    rate: float


@dataclass(frozen=True, slots=True)
class Analyte:
    """A row of laboratory.csv; without a unit the result is detected or not detected."""

    panel: Code
    code: Code
    unit: str
    low: float
    high: float
    mean: float
    spread: float
    decimals: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A row of practitioners.csv; `number` counts from 1 within the whole table."""

    number: int
    npi: str
    family: str
    given: str


@dataclass(frozen=True, slots=True)
class Place:
    """A row of places.csv."""

    city: str
    state: str
    zip: str
    area_code: str
    weight: int


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `data/<name>.csv`."""
    text = resources.files("exchange.synthetic").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def disorders(group: str) -> tuple[Disorder, ...]:
    """The disorders of one group of conditions.csv."""
    return tuple(_disorder(row) for row in rows("conditions") if row["group"] == group)


def _disorder(row: dict[str, str]) -> Disorder:
    snomed = Code(SNOMED, row["snomed"], row["snomed_display"]) if row["snomed"] else None
    return Disorder(
        group=row["group"],
        icd10cm=Code(ICD10CM, row["icd10cm"], row["icd10cm_display"]),
        snomed=snomed,
        from_age=int(row["from_age"]),
        to_age=int(row["to_age"]),
        sex=row["sex"],
        rate=float(row["rate"]),
    )


@cache
def analytes(purpose: str) -> tuple[Analyte, ...]:
    """The laboratory tests done for one purpose, those of a panel next to one another."""
    return tuple(_analyte(row) for row in rows("laboratory") if row["for"] == purpose)


def _analyte(row: dict[str, str]) -> Analyte:
    return Analyte(
        panel=Code(LOINC, row["panel"], row["panel_display"]),
        code=Code(LOINC, row["loinc"], row["display"]),
        unit=row["unit"],
        low=float(row["low"] or 0),
        high=float(row["high"] or 0),
        mean=float(row["mean"] or 0),
        spread=float(row["spread"] or 0),
        decimals=int(row["decimals"] or 0),
        purpose=row["for"],
    )


@cache
def medications(icd10cm: str) -> tuple[tuple[Code, str], ...]:
    """The drugs given for a disorder, each with its dosage text."""
    found = (row for row in rows("medications") if row["icd10cm"] == icd10cm)
    return tuple((Code(RXNORM, row["rxcui"], row["display"]), row["dosage"]) for row in found)


@cache
def practitioners(partner: str) -> tuple[Practitioner, ...]:
    """Who works for a partner."""
    numbered = enumerate(rows("practitioners"), start=1)
    return tuple(
        Practitioner(number, row["npi"], row["family"], row["given"])
        for number, row in numbered
        if row["partner"] == partner
    )


@cache
def places() -> tuple[Place, ...]:
    """The towns people live in."""
    return tuple(
        Place(row["city"], row["state"], row["zip"], row["area_code"], int(row["weight"]))
        for row in rows("places")
    )


@cache
def nicknames() -> dict[str, str]:
    """Given name to nickname."""
    return {row["given"]: row["nickname"] for row in rows("nicknames")}
