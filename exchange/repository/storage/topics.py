"""Which topics a new state of a record belongs to, told from the state before: pure.

What counts as an open visit: https://hl7.org/fhir/R4/valueset-encounter-status.html; results are those of
https://hl7.org/fhir/R4/valueset-observation-status.html whose words are meant to be acted on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from exchange.model.delivery import Topic
from exchange.model.records import Resource

COMPARED = frozenset({"Encounter", "Observation", "DiagnosticReport", "ServiceRequest", "Task"})
"""Types whose topics depend on what was said before."""

_OPEN = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_NO_ADMISSION = frozenset({"AMB", "VR", "HH", "FLD"})
_REPORTED = frozenset({"final", "amended", "corrected", "appended"})
_RESULTS = frozenset({"laboratory", "imaging"})


def topics_of(before: Resource | None, after: Resource) -> Iterator[Topic]:
    """Topics of a record that was stored; `before` None: it was not there.

    >>> visit = {"resourceType": "Encounter", "class": {"code": "IMP"}}
    >>> list(topics_of(None, {**visit, "status": "in-progress"}))
    ['resource-published', 'admission']
    >>> list(topics_of({**visit, "status": "in-progress"}, {**visit, "status": "finished"}))
    ['resource-changed', 'discharge']
    """
    yield "resource-published" if before is None else "resource-changed"
    told = _TOLD.get(after["resourceType"])
    if told is not None:
        yield from told(before or {}, after)


def _visit(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Topic]:
    if after.get("class", {}).get("code") in _NO_ADMISSION:
        return
    was_open, is_open = before.get("status") in _OPEN, after.get("status") in _OPEN
    if is_open and not was_open:
        yield "admission"
    elif is_open and _places(before) != _places(after):
        yield "transfer"
    elif after.get("status") == "finished" and before.get("status") != "finished":
        yield "discharge"


def _places(visit: Mapping[str, Any]) -> list[str]:
    """Where the patient is now: the locations that have not ended."""
    return sorted(
        str(place.get("location", {}).get("reference", ""))
        for place in visit.get("location", ())
        if place.get("status") not in ("completed", "reserved", "planned")
        and "end" not in place.get("period", {})
    )


def _result(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Topic]:
    """A report, or a finding of a laboratory, that is final now or says something else than before."""
    codes = {
        coding.get("code") for category in after.get("category", ()) for coding in category.get("coding", ())
    }
    if after["resourceType"] == "Observation" and not codes & _RESULTS:
        return
    if after.get("status") in _REPORTED and _said(before) != _said(after):
        yield "new-result"


def _said(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in ("meta", "text")}


def _referral(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Topic]:
    if before.get("status") != after.get("status"):
        yield "referral-status"


_TOLD: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Topic]]] = {
    "Encounter": _visit,
    "Observation": _result,
    "DiagnosticReport": _result,
    "ServiceRequest": _referral,
    "Task": _referral,
}
