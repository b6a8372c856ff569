"""What identifies a resource of a partner's FHIR: its id, or an identifier where the id does not last.

An id given within a transaction lasts only until the server has assigned its own, so the same organization
comes under another id in each Bundle. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from exchange.model.errors import RecordRejected
from exchange.model.terms import SYSTEMS

SUBSETTED = "SUBSETTED"
SHARED_TYPES = frozenset({"Organization", "Practitioner", "Location", "HealthcareService"})
"""Types that stand for the same thing in everybody's Bundles."""

Key = tuple[str, str]
"""Resource type and the partner's key."""


@dataclass(frozen=True, slots=True)
class Keys:
    """`identified` types are known by their identifier wherever they come (feed option of that name)."""

    identified: frozenset[str] = frozenset()

    def alone(self, resource: dict[str, Any]) -> str | None:
        """The identifier that stands for a resource with a lasting id; None where the id does."""
        return _token(resource) if resource["resourceType"] in self.identified else None

    def of_entries(self, entries: Sequence[dict[str, Any] | None]) -> list[Key | None]:
        """The key of each Bundle entry; raises RecordRejected for one without any."""
        tokens = [None if entry is None else self._token_of(entry) for entry in entries]
        ambiguous = _ambiguous(entries, tokens)
        return [
            None
            if entry is None
            else _condition(entry) or (token if token and token not in ambiguous else _own(entry))
            for entry, token in zip(entries, tokens, strict=True)
        ]

    def _token_of(self, entry: dict[str, Any]) -> Key | None:
        resource = entry["resource"]
        kind = resource["resourceType"]
        passing = kind in SHARED_TYPES and str(entry.get("fullUrl", "")).startswith("urn:")
        token = _token(resource) if passing or kind in self.identified else None
        return None if token is None else (kind, token)


def _ambiguous(entries: Sequence[dict[str, Any] | None], tokens: Sequence[Key | None]) -> set[Key]:
    """Identifiers that stand for things of different names in one Bundle: departments with one NPI."""
    names: dict[Key, Any] = {}
    ambiguous: set[Key] = set()
    for entry, token in zip(entries, tokens, strict=True):
        if entry is not None and token is not None:
            name = entry["resource"].get("name")
            if names.setdefault(token, name) != name:
                ambiguous.add(token)
    return ambiguous


def _token(resource: dict[str, Any]) -> str | None:
    """`system|value` of the NPI, else of the first identifier with both."""
    identifiers = resource.get("identifier")
    found = [
        (item["system"], item["value"])
        for item in (identifiers if isinstance(identifiers, list) else ())
        if isinstance(item, dict) and item.get("system") and item.get("value")
    ]
    found.sort(key=lambda pair: pair[0] != SYSTEMS["npi"])
    return f"{found[0][0]}|{found[0][1]}" if found else None


def _condition(entry: dict[str, Any]) -> Key | None:
    """The key of a conditional create or update."""
    request = request_of(entry)
    url = str(request.get("url") or "")
    query = request.get("ifNoneExist") or (url.partition("?")[2] if request.get("method") == "PUT" else "")
    value = parse_qs(str(query).removeprefix("?")).get("identifier", [""])[0]
    return (entry["resource"]["resourceType"], value) if value else None


def request_of(entry: dict[str, Any]) -> dict[str, Any]:
    """`Bundle.entry.request`, empty where there is none."""
    request = entry.get("request")
    return request if isinstance(request, dict) else {}


def _own(entry: dict[str, Any]) -> Key:
    resource = entry["resource"]
    full_url = str(entry.get("fullUrl") or "")
    key = resource.get("id") or full_url.rsplit(":", 1)[-1].rsplit("/", 1)[-1]
    if not key:
        raise RecordRejected(
            "an entry has neither id nor fullUrl", code="required", expression="Bundle.entry"
        )
    return resource["resourceType"], str(key)
