"""Requests and answers as plain data, so that everything behind the routes is a function of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

import orjson

from exchange.api.negotiation import FHIR_JSON
from exchange.model.errors import ExchangeError
from exchange.model.records import Issue

Parameters = tuple[tuple[str, str], ...]


class Refusal(ExchangeError):
    """A request answered with an OperationOutcome; the text is the same for hidden and for absent things."""

    def __init__(self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.headers = status, code, dict(headers or {})
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came; header names in lower case, `path` decoded, `query` and `body` raw.

    `certificate`: thumbprint of the one that the client showed, if it did.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str
    request_id: str
    at: datetime
    certificate: str = ""

    @property
    def text(self) -> str:
        """The request in the form the audit log keeps it in: no header, no credential.

        A Subscription may hold those of its receiver (`channel.header`).
        """
        target = f"{self.path}?{self.query}" if self.query else self.path
        if self.path.startswith("/fhir/Subscription"):
            return f"{self.method} {target}"
        return f"{self.method} {target}\n\n{self.body.decode(errors='replace')}".strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and the headers beyond Content-Type and Content-Length."""

    status: int
    body: bytes
    media: str = FHIR_JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def outcome(issues: Iterable[Issue]) -> bytes:
    """An OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html)."""
    listed = [
        {
            "severity": issue.severity,
            "code": issue.code,
            "diagnostics": issue.detail,
            **({"expression": [issue.expression]} if issue.expression else {}),
        }
        for issue in issues
    ]
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": listed})


def refused(refusal: Refusal) -> Answer:
    issue = Issue("error", refusal.code, str(refusal))
    return Answer(refusal.status, outcome([issue]), headers=refusal.headers)


def json_answer(data: Mapping[str, object], status: int = 200, *, media: str = "application/json") -> Answer:
    return Answer(status, orjson.dumps(data), media)


def parse_parameters(raw: str, most: int) -> Parameters:
    """Name and value pairs of a query string or form, in order; raises Refusal (400) when it is none."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=most)
    except ValueError:
        raise Refusal(400, "invalid", f"parameters must be UTF-8, and {most} at most") from None
    if any(ord(character) < 32 for pair in pairs for text in pair for character in text):
        raise Refusal(400, "invalid", "parameters must not hold control characters")
    return tuple(pairs)


def form_of(call: Call, most: int) -> Parameters:
    """The parameters of a urlencoded body; raises Refusal (415) for any other media type."""
    media = call.headers.get("content-type", "").split(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise Refusal(415, "not-supported", "the body must be application/x-www-form-urlencoded")
    try:
        return parse_parameters(call.body.decode("ascii"), most)
    except UnicodeDecodeError:
        raise Refusal(400, "invalid", "the body must be percent-encoded ASCII") from None
