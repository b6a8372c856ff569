"""What an export is asked for: its level and parameters, read and checked before anything is begun."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from exchange.api.capability import served_types
from exchange.api.messages import Parameters, Refusal, parse_parameters
from exchange.model.records import Resource
from exchange.repository import BadSearch
from exchange.repository.reading.query import parse_query

Level = Literal["system", "patient", "group"]

ABOUT_NOBODY = frozenset(
    {"Organization", "Location", "Practitioner", "PractitionerRole", "HealthcareService", "Medication"}
)
_FORMATS = {"application/fhir+ndjson", "application/ndjson", "ndjson"}
_FILTER = re.compile(r"([A-Z][A-Za-z]{1,63})\?(\S+)")
_NEXT_FILTER = re.compile(r",(?=[A-Z][A-Za-z]{1,63}\?)")
_NOT_IN_FILTERS = re.compile(r"_(include|revinclude|sort|count|total|summary|elements|cursor|page)\b")
_PATIENT = re.compile(r"(?:Patient/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_KNOWN = {"_outputFormat", "_since", "_type", "_typeFilter", "patient"}
_MOST_PATIENTS = 50_000
_MOST_FILTERS = 50


@dataclass(frozen=True, slots=True)
class ExportAsked:
    """`filters` are searches by type, of which one must find a resource; `patients` None: everybody's.

    `joined` are those of `patients` who came into the Group after `since`: of them everything is new.
    """

    url: str
    types: tuple[str, ...]
    since: str | None
    filters: tuple[tuple[str, str], ...]
    patients: tuple[str, ...] | None
    joined: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExportAsked:
        return cls(
            url=data["url"],
            types=tuple(data["types"]),
            since=data["since"],
            filters=tuple((kind, query) for kind, query in data["filters"]),
            patients=None if data["patients"] is None else tuple(data["patients"]),
            joined=tuple(data.get("joined", ())),
        )


def parse_export(
    level: Level, url: str, parameters: Parameters, members: Mapping[str, datetime] | None, at: datetime
) -> ExportAsked:
    """Raises Refusal (400) for what is not served: nobody gets more, or less, than he meant to ask for."""
    unknown = sorted({name for name, _ in parameters} - _KNOWN)
    if unknown:
        raise Refusal(400, "not-supported", f"not served by $export: {', '.join(unknown)}")
    for value in _all(parameters, "_outputFormat"):
        if value.replace(" ", "+") not in _FORMATS:
            raise Refusal(400, "not-supported", "_outputFormat must be application/fhir+ndjson")
    filters = _filters(parameters, at)
    types = _types(level, parameters, [kind for kind, _ in filters])
    since, patients = _since(parameters), _chosen(level, parameters, members)
    joined = _joined(patients or (), members or {}, since)
    return ExportAsked(url, types, since.isoformat() if since else None, filters, patients, joined)


def pairs_of(body: Resource) -> Parameters:
    """The parameters of a kick-off by POST; raises Refusal (422)."""
    found: list[tuple[str, str]] = []
    entries = body.get("parameter", [])
    for entry in entries if isinstance(entries, list) else [None]:
        values = [v for k, v in entry.items() if k.startswith("value")] if isinstance(entry, dict) else []
        value = values[0] if len(values) == 1 else None
        value = value.get("reference") if isinstance(value, dict) else value
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(value, str) or not isinstance(name, str):
            raise Refusal(422, "structure", "each parameter has a name and one text or reference")
        found.append((name, value))
    return tuple(found)


def _all(parameters: Parameters, name: str) -> list[str]:
    return [value for key, value in parameters if key == name]


def _types(level: Level, parameters: Parameters, filtered: Sequence[str]) -> tuple[str, ...]:
    """By default all that are served; about people only, unless the whole system or another type is named."""
    named = [kind for value in _all(parameters, "_type") for kind in value.split(",")]
    unknown = sorted({*named, *filtered} - set(served_types()))
    if unknown:
        raise Refusal(400, "not-supported", f"not exported here: {', '.join(unknown)[:200]}")
    if named:
        return tuple(sorted(set(named)))
    return tuple(kind for kind in served_types() if level == "system" or kind not in ABOUT_NOBODY)


def _since(parameters: Parameters) -> datetime | None:
    found = _all(parameters, "_since")
    if not found:
        return None
    try:
        moment = datetime.fromisoformat(found[-1].replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refusal(400, "value", "_since is an instant with its zone, such as 2026-11-01T00:00:00Z")
    return moment


def _filters(parameters: Parameters, at: datetime) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for text in (one for value in _all(parameters, "_typeFilter") for one in _NEXT_FILTER.split(value)):
        match = _FILTER.fullmatch(text)
        if match is None or _NOT_IN_FILTERS.search(match[2]):
            raise Refusal(400, "value", "_typeFilter is a search such as Observation?category=laboratory")
        found.append((match[1], match[2]))
    if len(found) > _MOST_FILTERS:
        raise Refusal(400, "too-costly", f"_typeFilter: {_MOST_FILTERS} at most")
    for kind, query in found:
        _check(kind, query, at)
    return tuple(found)


def _check(kind: str, query: str, at: datetime) -> None:
    try:
        unknown = parse_query(kind, parse_parameters(query, _MOST_FILTERS), at).unknown
    except BadSearch as error:
        raise Refusal(400, "value", f"_typeFilter: {error}") from None
    if unknown:
        raise Refusal(
            400, "not-supported", f"_typeFilter: {kind} is not searched by {', '.join(unknown)[:200]}"
        )


def _joined(
    patients: Sequence[str], members: Mapping[str, datetime], since: datetime | None
) -> tuple[str, ...]:
    """Who came into the Group after the instant that is asked about."""
    return tuple(one for one in patients if since is not None and one in members and members[one] >= since)


def _chosen(level: Level, parameters: Parameters, members: Collection[str] | None) -> tuple[str, ...] | None:
    """Patients of a Group and those named, where both say something only those of both."""
    named = [_PATIENT.fullmatch(value) for value in _all(parameters, "patient")]
    if named and level == "system":
        raise Refusal(400, "not-supported", "`patient` belongs to Patient/$export and Group/[id]/$export")
    if not all(named) or len(named) > _MOST_PATIENTS:
        raise Refusal(400, "value", f"`patient` are references to Patients, {_MOST_PATIENTS} at most")
    ids = {match[1] for match in named if match}
    if members is None:
        return tuple(sorted(ids)) if named else None
    return tuple(sorted(set(members) & ids if named else set(members)))
