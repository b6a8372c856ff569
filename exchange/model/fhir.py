"""Small readers of FHIR resources as plain dicts."""

from __future__ import annotations

import re
from typing import Any

import orjson

from exchange.model.records import Resource

# Elements that say whom a resource is about (Patient compartment,
# https://hl7.org/fhir/R4/compartmentdefinition-patient.html), the likeliest first.
_SUBJECTS = ("subject", "patient", "beneficiary", "for", "individual")
_MEMBER = b'"reference":"'
_REFERENCE = re.compile(rb'"reference":("(?:[^"\\]|\\.)*")')


def reference_to(resource: Resource) -> str:
    """`Type/id` of a resource.

    >>> reference_to({"resourceType": "Patient", "id": "7"})
    'Patient/7'
    """
    return f"{resource['resourceType']}/{resource['id']}"


def patient_of(resource: Resource) -> str | None:
    """Id of the Patient a resource is about; None for a resource about nobody.

    >>> patient_of({"resourceType": "Observation", "subject": {"reference": "Patient/7"}})
    '7'
    >>> patient_of({"resourceType": "Organization", "id": "7"}) is None
    True
    >>> patient_of({"resourceType": "Appointment", "participant": [{"actor": {"reference": "Patient/7"}}]})
    '7'
    """
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    for element in _SUBJECTS:
        for target in _as_list(resource.get(element)):
            reference = target.get("reference", "") if isinstance(target, dict) else ""
            if reference.startswith("Patient/"):
                return str(reference.split("/")[1])
    return _attending(resource) if resource["resourceType"] == "Appointment" else None


def _attending(appointment: Resource) -> str | None:
    """Whom an appointment is with; one of several Patients is a record of no one among them."""
    actors = [one.get("actor") for one in _as_list(appointment.get("participant")) if isinstance(one, dict)]
    named = (reference for actor in actors for reference in references(actor))
    people = {reference.split("/")[1] for reference in named if reference.startswith("Patient/")}
    return people.pop() if len(people) == 1 else None


def references(node: Any) -> list[str]:
    """Every literal reference below `node`, in document order.

    Looked for in the spelled JSON, where a quote within a string is escaped: a third of the cost of a walk.

    >>> references({"subject": {"reference": "Patient/7"}, "note": [{"text": '"reference":"Patient/8"'}]})
    ['Patient/7']
    >>> references([{"reference": "Patient/7"}, {"reference": 'a"b'}])
    ['Patient/7', 'a"b']
    """
    return references_in(orjson.dumps(node))


def references_in(spelled: bytes) -> list[str]:
    """As `references`, of JSON as orjson writes it."""
    _, *after = spelled.split(_MEMBER)
    found = [text.partition(b'"')[0] for text in after]
    if any(b"\\" in text for text in found):
        return [orjson.loads(text) for text in _REFERENCE.findall(spelled)]
    return [text.decode() for text in found]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
