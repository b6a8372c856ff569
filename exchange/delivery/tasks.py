"""A recall as the recipient reads it: a FHIR Task that names what he got, and nothing he did not.

https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchange.delivery.bundles import instant
from exchange.delivery.recall import Item, Kind, Outcome
from exchange.model.records import Resource

# A late label is not told: it would say what the record reveals.
_ASKED: dict[Kind, str] = {
    "revocation": "The person withdrew the permission for these records. Do not use or pass them on any more;"
    " destroy what the law does not oblige you to keep.",
    "wrong-link": "These records were sent under the wrong person. Take them out of that person's chart.",
    "late-label": "These records should not have been sent to you. Return or destroy them, and do not pass"
    " them on.",
    "source-error": "The source corrected or deleted these records. Replace or delete what you hold.",
}
_STATUS: dict[Outcome, str] = {
    "destroyed": "completed",
    "returned": "completed",
    "corrected": "completed",
    "not-held": "completed",
    "refused": "rejected",
}


def task(
    name: str, kind: Kind, participant: str, found: Sequence[Item], opened: datetime, outcome: Outcome | None
) -> Resource:
    """Requested, or completed or rejected once its outcome is known."""
    return {
        "resourceType": "Task",
        "id": name,
        "status": _STATUS[outcome] if outcome else "requested",
        "intent": "order",
        "code": {"coding": [{"system": "urn:mosaic:task", "code": "recall"}], "text": "Recall"},
        "description": _ASKED[kind],
        "authoredOn": instant(opened),
        "requester": {"identifier": {"system": "urn:mosaic:partner", "value": "exchange"}},
        "owner": {"identifier": {"system": "urn:mosaic:partner", "value": participant}},
        "input": [
            {"type": {"text": "record"}, "valueReference": {"reference": record}}
            for record in sorted({item.record for item in found})
        ],
    }
