"""Writes `search_parameters.csv` from the published SearchParameter definitions of FHIR R4 (CC0).

`python -m exchange.repository.storage.generate_parameters search-parameters.json [...]`, with the bundles of
https://hl7.org/fhir/R4/search-parameters.json. A FHIRPath expression becomes one row per JSON path.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from exchange.model.fhir_types import fhir_type

FILE = Path(__file__).with_name("search_parameters.csv")
HEADER = ("type", "parameter", "kind", "path", "where")

# What US Core asks servers for, and what finding, listing and linking records needs beyond it. Every row
# costs a write per resource, so this is a choice, not everything that is defined.
WANTED = {
    "AllergyIntolerance": "clinical-status code criticality date identifier onset type verification-status",
    "CarePlan": "category date encounter identifier intent status",
    "CareTeam": "category date encounter identifier participant status",
    "Condition": "abatement-date category clinical-status code encounter identifier onset-date recorded-date"
    " verification-status",
    "Consent": "actor category date identifier organization period purpose scope status",
    "Coverage": "identifier payor status type",
    "Device": "identifier status type",
    "DiagnosticReport": "based-on category code date encounter identifier issued performer result status",
    "DocumentReference": "author category date encounter identifier period relatesto status type",
    "Encounter": "class date identifier location part-of participant reason-code"
    " service-provider status type",
    "Goal": "category identifier lifecycle-status start-date target-date",
    "HealthcareService": "active identifier location name organization service-category"
    " service-type specialty",
    "Immunization": "date identifier location performer status vaccine-code",
    "Location": "address address-city address-postalcode address-state identifier name organization partof"
    " status type",
    "Medication": "code identifier status",
    "MedicationDispense": "code identifier prescription status whenhandedover",
    "MedicationRequest": "authoredon code encounter identifier intent medication requester status",
    "MedicationStatement": "code effective identifier medication status",
    "Observation": "based-on category code component-code date derived-from encounter has-member identifier"
    " performer status value-concept value-date value-quantity value-string",
    "Organization": "active address address-city address-postalcode address-state identifier name"
    " partof type",
    "Patient": "active address address-city address-postalcode address-state birthdate death-date deceased"
    " email family gender general-practitioner given identifier language name organization phone telecom",
    "Practitioner": "active address address-city address-state family given identifier name telecom",
    "PractitionerRole": "active identifier location organization practitioner role specialty",
    "Procedure": "based-on category code date encounter identifier performer status",
    "QuestionnaireResponse": "author authored based-on encounter identifier questionnaire status",
    "RelatedPerson": "active address birthdate gender identifier name phone relationship",
    "ServiceRequest": "authored based-on category code encounter identifier intent occurrence performer"
    " requester requisition status",
    "Specimen": "accession collected identifier status type",
    "Task": "authored-on based-on business-status code encounter focus identifier intent modified owner"
    " part-of period requester status",
}
# Their elements are choices or expressions that the definition writes in a way of its own.
_EXTRA = {
    ("Patient", "deceased"): (("token", "deceasedBoolean", ""), ("token", "deceasedDateTime", "exists")),
    ("Goal", "target-date"): (("date", "target.dueDate", ""),),
    ("AllergyIntolerance", "onset"): (("date", "onsetDateTime", ""), ("date", "onsetPeriod", "")),
    ("QuestionnaireResponse", "questionnaire"): (("token", "questionnaire", ""),),
}
# Forms of a choice that no search of ours compares.
_UNCOMPARED = {"SampledData", "Range", "Age"}
_STEP = re.compile(r"\.as\((\w+)\)|\.where\((.*?)\)(?=\.|$)|\.?([A-Za-z]\w*)")


def rows(definitions: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """The rows of the table, sorted; raises KeyError for a wanted parameter that nobody defines."""
    defined = {(base, d["code"]): d for d in definitions for base in d.get("base", ())}
    found: set[tuple[str, str, str, str, str]] = set()
    for kind_of_resource, names in WANTED.items():
        for name in names.split():
            found.update(_of(kind_of_resource, name, defined))
    return sorted(found)


def _of(
    resource: str, name: str, defined: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[tuple[str, str, str, str, str]]:
    if (resource, name) in _EXTRA:
        for kind, path, where in _EXTRA[resource, name]:
            yield resource, name, kind, path, where
        return
    definition = defined[resource, name]
    kind = "token" if definition["type"] == "uri" else definition["type"]
    for expression in definition["expression"].split(" | "):
        text = re.sub(r"\((\S+) as (\w+)\)", r"\1.as(\2)", expression.strip())
        if text.startswith(f"{resource}."):
            for path, where in _paths(resource, text):
                yield resource, name, kind, path, where


def _paths(resource: str, expression: str) -> Iterator[tuple[str, str]]:
    """JSON paths of an expression: `Observation.value.as(Quantity)` is `valueQuantity`."""
    where = ""
    paths = [("", resource)]
    for cast, condition, step in _STEP.findall(expression.removeprefix(resource)):
        if step:
            paths = [p for path, kind in paths for p in _step(path, kind, step)]
        elif cast:
            paths = [(path, kind) for path, kind in paths if kind == cast]
        elif condition.startswith("system="):
            where = condition.replace("'", "")
    for path, kind in paths:
        if kind not in _UNCOMPARED:
            yield path, where


def _step(path: str, kind: str, name: str) -> Iterator[tuple[str, str]]:
    for element in fhir_type(kind).elements.values():
        if name in (element.name, element.choice):
            yield (f"{path}.{element.name}" if path else element.name), element.type


def text(definitions: Sequence[dict[str, Any]]) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows(definitions))
    return out.getvalue()


def read(files: Sequence[Path]) -> list[dict[str, Any]]:
    """SearchParameters of the given bundles."""
    bundles = [orjson.loads(file.read_bytes()) for file in files]
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]]


if __name__ == "__main__":
    FILE.write_text(text(read([Path(name) for name in sys.argv[1:]])), "utf-8")
