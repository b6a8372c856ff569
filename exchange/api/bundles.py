"""Searchset Bundles joined from the bytes of their entries (https://hl7.org/fhir/R4/http.html#search)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from exchange.api.messages import outcome
from exchange.delivery.notices import explained
from exchange.model.records import Issue
from exchange.repository import Entry, Page, Summary, instant


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


def historyset(page: Page, self_url: str, issues: Sequence[Issue]) -> bytes:
    """The Bundle of a history; an entry without a body tells of a deletion. Issues have no place in it.

    That a version was the first is not told: what a requester sees may begin later.
    """
    links = [{"relation": "self", "url": self_url}]
    if page.next:
        links.append({"relation": "next", "url": page.next})
    start = orjson.dumps({"resourceType": "Bundle", "type": "history", "link": links})[:-1]
    entries = [_version(entry) for entry in page.entries]
    return start + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}")


def document(found: Summary, base_url: str) -> bytes:
    """The document Bundle of a summary, its Composition first (https://hl7.org/fhir/R4/documents.html)."""
    identifier = found.composition["id"]
    head = {
        "resourceType": "Bundle",
        "meta": {"profile": ["http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identifier}"},
        "type": "document",
        "timestamp": instant(found.at),
    }
    entries = [
        _document_entry(f"{base_url}/Composition/{identifier}", orjson.dumps(found.composition)),
        *(_document_entry(entry.full_url, entry.body) for entry in found.page.entries),
    ]
    return orjson.dumps(head)[:-1] + b',"entry":[' + b",".join(entries) + b"]}"


def _document_entry(full_url: str, body: bytes) -> bytes:
    return b'{"fullUrl":' + orjson.dumps(full_url) + b',"resource":' + body + b"}"


def _version(entry: Entry) -> bytes:
    rest = orjson.dumps(
        {
            "request": {
                "method": "PUT" if entry.body else "DELETE",
                "url": "/".join(entry.full_url.split("/")[-2:]),
            },
            "response": {
                "status": "200" if entry.body else "204",
                "etag": f'W/"{entry.version}"',
                "lastModified": instant(entry.updated),
            },
        }
    )[1:]
    body = b',"resource":' + entry.body if entry.body else b""
    return b'{"fullUrl":' + orjson.dumps(entry.full_url) + body + b"," + rest


def unknown_parameters(names: Iterable[str]) -> list[Issue]:
    """What a lenient requester is told of parameters that were left out of account."""
    return [Issue("warning", "not-supported", f"search parameter {name} was ignored") for name in names]


def notices(page: Page, texts: Mapping[str, str]) -> list[Issue]:
    """What must travel with the page, in the words of consent/vocabulary.yaml, and what each consent says."""
    words = [f"{code}: {texts[code]}" for code in page.obligations if code in texts]
    words += [f"consent: {explained(scope)}" for scope in page.scopes]
    return [Issue("information", "informational", text) for text in words]


def _entry(full_url: str, body: bytes, mode: str) -> bytes:
    start = b'{"fullUrl":' + orjson.dumps(full_url) + b',"resource":'
    return start + body + b',"search":{"mode":"' + mode.encode() + b'"}}'
