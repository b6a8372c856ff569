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
# costs a write per resource, so this is a choice, not everything that is defined. `Resource`: all types.
WANTED = {
    "Resource": "_profile _security _source _tag",
    "AllergyIntolerance": "asserter category clinical-status code criticality date identifier last-date"
    " manifestation onset patient recorder route severity type verification-status",
    "Appointment": "actor appointment-type based-on date identifier location part-status patient practitioner"
    " reason-code service-category service-type specialty status",
    "CarePlan": "activity-code activity-reference care-team category condition date encounter goal identifier"
    " intent part-of patient performer status subject",
    "CareTeam": "category date encounter identifier participant patient role status subject",
    "Claim": "care-team created encounter facility identifier insurer patient payee priority provider status"
    " use",
    "Condition": "abatement-date asserted-date asserter body-site category clinical-status code encounter"
    " evidence evidence-detail identifier onset-date patient recorded-date severity stage subject"
    " verification-status",
    "Consent": "action actor category consentor data date identifier organization patient period purpose"
    " scope security-label source-reference status",
    "Coverage": "beneficiary identifier patient payor policy-holder status subscriber type",
    "Device": "device-name identifier location manufacturer model organization patient status type udi-di",
    "DeviceRequest": "authored-on based-on code device encounter identifier intent patient performer"
    " requester status subject",
    "DeviceUseStatement": "device identifier patient subject",
    "DiagnosticReport": "based-on category code conclusion date encounter identifier issued media patient"
    " performer result results-interpreter specimen status subject",
    "DocumentReference": "authenticator author category contenttype custodian date description encounter"
    " event facility format identifier language location patient period related relatesto relation"
    " security-label setting status subject type",
    "Encounter": "appointment based-on class date diagnosis discharge-disposition episode-of-care identifier"
    " length location location-period part-of participant participant-type patient practitioner reason-code"
    " reason-reference service-provider status subject type",
    "EpisodeOfCare": "care-manager condition date identifier incoming-referral organization patient status"
    " type",
    "ExplanationOfBenefit": "care-team claim coverage created disposition encounter facility identifier"
    " patient payee provider status",
    "FamilyMemberHistory": "code date identifier patient relationship sex status",
    "Goal": "achievement-status category description identifier lifecycle-status patient start-date subject"
    " target-date",
    "HealthcareService": "active characteristic coverage-area identifier location name organization"
    " service-category service-type specialty",
    "Immunization": "date identifier location lot-number manufacturer patient performer reaction"
    " reaction-date reason-code reason-reference series status status-reason target-disease vaccine-code",
    "Location": "address address-city address-country address-postalcode address-state address-use identifier"
    " name operational-status organization partof status type",
    "Medication": "code expiration-date form identifier ingredient ingredient-code lot-number manufacturer"
    " status",
    "MedicationAdministration": "code context device effective-time identifier medication patient performer"
    " reason-given reason-not-given request status subject",
    "MedicationDispense": "code context destination identifier medication patient performer prescription"
    " receiver responsibleparty status subject type whenhandedover whenprepared",
    "MedicationRequest": "authoredon category code date encounter identifier intended-dispenser"
    " intended-performer intended-performertype intent medication patient priority requester status subject",
    "MedicationStatement": "category code context effective identifier medication part-of patient source"
    " status subject",
    "Observation": "based-on category code code-value-concept code-value-date code-value-quantity"
    " code-value-string combo-code combo-code-value-concept combo-code-value-quantity"
    " combo-data-absent-reason combo-value-concept combo-value-quantity component-code"
    " component-code-value-concept component-code-value-quantity component-data-absent-reason"
    " component-value-concept component-value-quantity data-absent-reason date derived-from device encounter"
    " focus has-member identifier method part-of patient performer specimen status subject value-concept"
    " value-date value-quantity value-string",
    "Organization": "active address address-city address-country address-postalcode address-state address-use"
    " identifier name partof type",
    "Patient": "active address address-city address-country address-postalcode address-state address-use"
    " birthdate death-date deceased email ethnicity family gender gender-identity general-practitioner given"
    " identifier language name organization phone race telecom",
    "Practitioner": "active address address-city address-country address-postalcode address-state address-use"
    " communication email family gender given identifier name phone telecom",
    "PractitionerRole": "active date email endpoint identifier location organization phone practitioner role"
    " service specialty telecom",
    "Procedure": "based-on category code date encounter identifier location part-of patient performer"
    " reason-code reason-reference status subject",
    "QuestionnaireResponse": "author authored based-on encounter identifier part-of patient questionnaire"
    " source status subject",
    "RelatedPerson": "active address address-city address-country address-postalcode address-state"
    " address-use birthdate email gender identifier name patient phone relationship telecom",
    "ServiceRequest": "authored based-on body-site category code encounter identifier intent occurrence"
    " patient performer performer-type priority replaces requester requisition specimen status subject",
    "Specimen": "accession bodysite collected collector container identifier parent patient status subject"
    " type",
    "Task": "authored-on based-on business-status code encounter focus group-identifier identifier intent"
    " modified owner part-of patient performer period priority requester status subject",
}
# These lead to the person a record is about, who is found by the column `patient` and not by the index.
_SUBJECTS = frozenset({"patient", "subject", "beneficiary"})
# Their elements are choices, or US Core defines them, in a way of its own.
_US_CORE = "url=http://hl7.org/fhir/us/core/StructureDefinition"
_EXTRA = {
    ("Patient", "deceased"): (("token", "deceasedBoolean", ""), ("token", "deceasedDateTime", "exists")),
    ("Patient", "race"): (("token", "extension.extension.valueCoding", f"{_US_CORE}/us-core-race"),),
    ("Patient", "ethnicity"): (
        ("token", "extension.extension.valueCoding", f"{_US_CORE}/us-core-ethnicity"),
    ),
    ("Patient", "gender-identity"): (
        ("token", "extension.valueCodeableConcept", f"{_US_CORE}/us-core-genderIdentity"),
    ),
    ("CareTeam", "role"): (("token", "participant.role", ""),),
    ("Condition", "asserted-date"): (
        (
            "date",
            "extension.valueDateTime",
            "url=http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
        ),
    ),
    ("Encounter", "discharge-disposition"): (("token", "hospitalization.dischargeDisposition", ""),),
    ("Goal", "description"): (("token", "description", ""),),
    ("Goal", "target-date"): (("date", "target.dueDate", ""),),
    ("QuestionnaireResponse", "questionnaire"): (("uri", "questionnaire", ""),),
}
# Forms of a choice that no search of ours compares.
_UNCOMPARED = {"SampledData", "Range", "Age"}
_STEP = re.compile(r"\.as\((\w+)\)|\.where\((.*?\)?)\)(?=\.|$)|\.?([A-Za-z]\w*)")

Row = tuple[str, str, str, str, str]


def rows(definitions: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows of the table, sorted; raises KeyError for a wanted parameter that nobody defines."""
    defined = {(base, d["code"]): d for d in definitions for base in d.get("base", ())}
    found: set[Row] = set()
    for resource, names in WANTED.items():
        for name in names.split():
            found.update(_of(resource, name, defined))
    return sorted(found)


def _of(resource: str, name: str, defined: dict[tuple[str, str], dict[str, Any]]) -> Iterator[Row]:
    if (resource, name) in _EXTRA:
        for kind, path, where in _EXTRA[resource, name]:
            yield resource, name, kind, path, where
        return
    definition = defined[resource, name]
    if name.startswith("combo-"):  # what the plain parameter and the one of components find
        plain = name.removeprefix("combo-")
        yield resource, name, definition["type"], f"{plain}$component-{plain}", "union"
        return
    for expression in definition["expression"].split(" | "):
        text = re.sub(r"\((\S+) as (\w+)\)", r"\1.as(\2)", expression.strip())
        if text == resource or text.startswith(f"{resource}."):
            yield from _rows(resource, name, definition, text)


def _rows(resource: str, name: str, definition: dict[str, Any], expression: str) -> Iterator[Row]:
    if definition["type"] == "composite":
        parts = [c["definition"].rpartition("/")[2] for c in definition["component"]]
        names = [re.sub(rf"^({resource}|clinical)-", "", part) for part in parts]
        yield resource, name, "composite", "$".join(names), expression.removeprefix(resource).lstrip(".")
        return
    for path, where in _paths(resource, expression):
        yield resource, name, definition["type"], path, "patient" if name in _SUBJECTS else where


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
        elif condition.startswith("resolve() is "):
            where = condition.replace("resolve() is ", "type=")
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
