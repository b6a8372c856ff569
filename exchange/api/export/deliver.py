"""A file of an export leaves: whole or by range, without what its viewer may not see any more.

Every line is looked up anew under row-level security, in the transaction that also records for each Patient
what went out. Bytes that were revoked since are missing, so a file has another ETag then.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

from exchange.api.answering import Asked
from exchange.api.export import jobs
from exchange.api.export.gone import still_gone
from exchange.api.export.kickoff import exports_of, no_such_export
from exchange.api.messages import Answer, Refusal, refused
from exchange.api.scopes import narrow, parse_scopes, reach
from exchange.api.viewing import view_of
from exchange.audit import Disclosed, Sending, append, denied_entry, disclosure_entries
from exchange.repository import Line, Reader, still_told
from exchange.repository.reading.reader import Terms, act, terms

NDJSON = "application/fhir+ndjson"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _Told(NamedTuple):
    """The file as it is now, and why."""

    lines: Sequence[Line]
    terms: Terms


def deliver(asked: Asked, job: str, ordinal: int) -> Answer:
    """GET of a file of the manifest; 404 for another's job alike."""
    exports = exports_of(asked)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        found = jobs.find(view.conn, job, asked.held.client_id, asked.held.viewer)
        file = {f.ordinal: f for f in jobs.files_of(view.conn, job)}.get(ordinal) if found else None
        lines = exports.read(job, ordinal, found.key) if found and file and found.state == "done" else None
        if found is None or file is None or lines is None:
            entry = denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)
            append(view.conn, [entry])
            return no_such_export()
        scopes = narrow(parse_scopes(found.scopes), asked.held.scopes)
        view.conn.execute("SELECT set_config('exchange.scope', %s, true)", (reach(scopes),))
        told = (
            _told(view, lines)
            if file.kind == "output"
            else _Told(still_gone(view, lines, scopes), Terms((), ()))
        )
        answer, first, last = _ranged(asked, b"".join(line.body for line in told.lines), told.terms)
        if answer.status < 400:
            sending = Sending(job, "bulk export", kind="export", request=asked.call.text)
            append(
                view.conn, disclosure_entries(asked.who, asked.how, sending, _disclosed(told, first, last))
            )
    return answer


def _told(view: Reader, lines: Sequence[Line]) -> _Told:
    """What may be asked for and may be sent: a person may have allowed only the one or the other."""
    asked = [line for _, line in still_told(view, lines).lines]
    act(view, "disclose")
    still = still_told(view, asked)
    return _Told([_ended(line) for _, line in still.lines], terms(view, still.shares))


def _ended(line: Line) -> Line:
    """What was written anew without somebody's name has lost its end."""
    return line if line.body.endswith(b"\n") else replace(line, body=line.body + b"\n")


def _ranged(asked: Asked, body: bytes, why: Terms) -> tuple[Answer, int, int]:
    """The answer, and which bytes of the file it holds (RFC 9110 section 14)."""
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    travelling = [code for code in why.obligations if code in asked.service.notices]
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        **({"X-Obligations": ", ".join(travelling)} if travelling else {}),
    }
    span = _span(asked, etag, len(body))
    if span is None:
        return Answer(200, body, NDJSON, headers), 0, len(body)
    first, end = span
    if first >= end:
        refusal = Refusal(
            416, "invalid", "the file has no such bytes", {"Content-Range": f"bytes */{len(body)}"}
        )
        return refused(refusal), 0, 0
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(body)}"
    return Answer(206, body[first:end], NDJSON, headers), first, end


def _span(asked: Asked, etag: str, length: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for the whole: no range, several, or of another file."""
    match = _RANGE.fullmatch(asked.call.headers.get("range", "").strip())
    condition = asked.call.headers.get("if-range", "").strip()
    if match is None or match[0] == "bytes=-" or (condition and condition != etag):
        return None
    if not match[1]:
        return max(0, length - int(match[2])), length
    first = int(match[1])
    end = int(match[2]) + 1 if match[2] else length
    return None if match[2] and end <= first else (first, min(end, length))


def _disclosed(told: _Told, first: int, end: int) -> list[Disclosed]:
    """Each Patient's share of the bytes that leave."""
    shares: dict[str | None, list[str]] = defaultdict(list)
    start = 0
    for line in told.lines:
        if start < end and start + len(line.body) > first and line.id:
            shares[line.about].append(f"{line.type}/{line.id}")
        start += len(line.body)
    return [
        Disclosed(patient, tuple(sorted(records)), told.terms.people.get(patient, ()))
        for patient, records in sorted(shares.items(), key=lambda share: share[0] or "")
    ]
