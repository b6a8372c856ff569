"""What every answer below /fhir is made with: who asks, his view, the record of what leaves, the Bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlencode

from exchange.api import access
from exchange.api.access import Access
from exchange.api.bundles import notices, searchset, unknown_parameters
from exchange.api.messages import Answer, Call, Parameters, Refusal, refused
from exchange.api.negotiation import handling, http_date, not_modified
from exchange.api.service import Service
from exchange.api.standby import Standby
from exchange.api.viewing import reading_view_of
from exchange.audit import Circumstances, Disclosed, Requester, append, denied_entry, read_entry
from exchange.model.records import Issue
from exchange.repository import Found, Page, Reader
from exchange.repository.reading.query import SHAPING

Joined = Callable[[Page, str, Sequence[Issue]], bytes]
"""From a page, its own URL and issues to a Bundle."""

_ABOUT = re.compile(rb'"Patient/([0-9a-f-]{36})"')


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose token was verified; `parameters` without those about the form of the answer.

    `standby`: where it is read, when it only reads.
    """

    service: Service
    call: Call
    held: Access
    parameters: Parameters
    standby: Standby | None = None

    @property
    def who(self) -> Requester:
        return access.requester(self.service, self.held.client_id, self.held.viewer, self.held.jti)

    @property
    def how(self) -> Circumstances:
        return access.circumstances(self.service, self.call)


@dataclass(frozen=True, slots=True)
class Shown:
    """What leaves, and the parameters it answers."""

    page: Page
    path: str
    applied: Parameters


def opened(asked: Asked, scope: str) -> AbstractContextManager[Reader]:
    """The view of who asks and only reads; what he is told is recorded in its `log`."""
    return reading_view_of(asked.service, asked.held, asked.call.at, scope, asked.standby)


def not_found(asked: Asked, view: Reader) -> Answer:
    """404 alike for what is hidden and for what is not there."""
    entry = denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)
    append(view.log, [entry])
    return refused(Refusal(404, "not-found", "there is no such resource"))


def gone(asked: Asked, view: Reader) -> Answer:
    """410 for a record that was deleted, to those who could see that it was there."""
    entry = denied_entry(asked.who, asked.how, asked.call.text, "410 deleted", serious=False)
    append(view.log, [entry])
    return refused(Refusal(410, "deleted", "this resource was deleted"))


def resource(asked: Asked, view: Reader, reference: str, found: Found, interaction: str = "read") -> Answer:
    """One resource, or 304 when the requester holds it already; recorded either way."""
    shown = [Disclosed(patient, because=found.because) for patient in found.patients or (None,)]
    entries = [read_entry(asked.who, asked.how, reference, part, interaction) for part in shown]
    append(view.log, entries)
    headers = {
        "ETag": found.etag,
        "Last-Modified": http_date(found.updated),
        **obligation_header(asked, found.obligations),
    }
    if not_modified(asked.call.headers.get("if-none-match", ""), found.etag):
        return Answer(304, b"", headers=headers)
    return Answer(200, found.body, headers=headers)


def refuse_unknown(asked: Asked, unknown: Iterable[str]) -> None:
    """Raises Refusal (400) for parameters that would be ignored, unless the requester is lenient."""
    names = list(dict.fromkeys(unknown))
    if names and handling(asked.call.headers.get("prefer", "")) == "strict":
        raise Refusal(
            400, "not-supported", f"not served here: {', '.join(names)}; or send Prefer: handling=lenient"
        )


def refuse_empty(asked: Asked, parameters: Parameters) -> Parameters:
    """The parameters without criteria that name no value; raises Refusal (400) unless the asker is lenient.

    FHIR lets a server ignore them; then a client whose variable is empty gets everybody.
    """
    empty = list(
        dict.fromkeys(n for n, value in parameters if not value and n.partition(":")[0] not in SHAPING)
    )
    if empty and handling(asked.call.headers.get("prefer", "")) == "strict":
        raise Refusal(
            400,
            "invalid",
            f"without a value: {', '.join(empty)}; leave it out, or send Prefer: handling=lenient",
        )
    return tuple(pair for pair in parameters if pair[0] not in empty or pair[1])


def disclosed(page: Page) -> list[Disclosed]:
    """Each person's share of a page: which resources were about him."""
    records: dict[str, set[str]] = {patient: set() for patient in page.patients}
    for entry in page.entries:
        kind, key = entry.full_url.split("/")[-2:]
        about = {found.decode() for found in _ABOUT.findall(entry.body)} | {key, entry.about or ""}
        for patient in about & records.keys():
            records[patient].add(f"{kind}/{key}")
    return [
        Disclosed(patient, tuple(sorted(found)), page.people.get(patient, ()))
        for patient, found in sorted(records.items())
    ]


def applied(parameters: Parameters, page: Page) -> Parameters:
    """The parameters that the page answers."""
    return tuple(pair for pair in parameters if pair[0] not in page.unknown)


def bundle(asked: Asked, shown: Shown, joined: Joined = searchset) -> Answer:
    """The page as a Bundle, with the notices that travel with it."""
    page, service = shown.page, asked.service
    query = f"?{urlencode(shown.applied)}" if shown.applied else ""
    issues = [*unknown_parameters(page.unknown), *notices(page, service.notices)]
    body = joined(page, f"{service.fhir_url}/{shown.path}{query}", issues)
    return Answer(200, body, headers=obligation_header(asked, page.obligations))


def obligation_header(asked: Asked, obligations: Iterable[str]) -> dict[str, str]:
    """Codes of what must travel with the data; their words stand in a Bundle's OperationOutcome."""
    travelling = [code for code in obligations if code in asked.service.notices]
    return {"X-Obligations": ", ".join(travelling)} if travelling else {}
