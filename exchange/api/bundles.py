"""Searchset Bundles joined from the bytes of their entries (https://hl7.org/fhir/R4/http.html#search)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from exchange.api.messages import outcome
from exchange.model.records import Issue
from exchange.repository import Page


def searchset(page: Page, self_url: str, issues: Sequence[Issue]) -> bytes:
    """The Bundle of a page; `issues` go along as an OperationOutcome entry."""
    links = [{"relation": "self", "url": self_url}]
    if page.next:
        links.append({"relation": "next", "url": page.next})
    head: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if page.total is not None:
        head["total"] = page.total
    head["link"] = links
    entries = [_entry(entry.full_url, entry.body, entry.mode) for entry in page.entries]
    if issues:
        entries.append(b'{"resource":' + outcome(issues) + b',"search":{"mode":"outcome"}}')
    start = orjson.dumps(head)[:-1]
    return start + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}")


def unknown_parameters(names: Iterable[str]) -> list[Issue]:
    """What a lenient requester is told of parameters that were left out of account."""
    return [Issue("warning", "not-supported", f"search parameter {name} was ignored") for name in names]


def notices(obligations: Iterable[str], texts: Mapping[str, str]) -> list[Issue]:
    """What must travel with the data, in the words of consent/vocabulary.yaml."""
    return [
        Issue("information", "informational", f"{code}: {texts[code]}")
        for code in obligations
        if code in texts
    ]


def _entry(full_url: str, body: bytes, mode: str) -> bytes:
    start = b'{"fullUrl":' + orjson.dumps(full_url) + b',"resource":'
    return start + body + b',"search":{"mode":"' + mode.encode() + b'"}}'
