"""$export: kick-off, status and cancellation (https://hl7.org/fhir/uv/bulkdata/export.html)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from exchange.api import access
from exchange.api.answering import Asked
from exchange.api.export import jobs
from exchange.api.export.asked import ExportAsked, Level, pairs_of, parse_export
from exchange.api.export.files import Exports
from exchange.api.export.jobs import Job
from exchange.api.messages import Answer, Refusal, json_answer, outcome, refused
from exchange.api.scopes import allows
from exchange.api.uploads import resource_of
from exchange.api.viewing import view_of, writing_view_of
from exchange.audit import Entry, append, denied_entry, query_entries
from exchange.model.records import Issue
from exchange.repository import Reader, search

KEPT = timedelta(hours=24)
_PATH = "$export-status"
_FILES = "$export-file"


def exports_of(asked: Asked) -> Exports:
    """Where files go; raises Refusal (501) on a server that has no place for them."""
    if asked.service.exports is None:
        raise Refusal(501, "not-supported", "this server does not export")
    return asked.service.exports


def begin(asked: Asked, level: Level, group: str = "") -> Answer:
    """Answers 202 with the address of the status, once the job is in the database."""
    exports = exports_of(asked)
    if "respond-async" not in asked.call.headers.get("prefer", "").lower():
        raise Refusal(400, "invalid", "an export is answered later: send Prefer: respond-async")
    parameters = asked.parameters
    if _has_body(asked):
        parameters += pairs_of(resource_of(asked.call, "Parameters"))
    service = asked.service
    query = f"?{asked.call.query}" if asked.call.query else ""
    url = f"{service.base_url}{asked.call.path}{query}"
    with writing_view_of(service, asked.held, asked.call.at) as view:
        members = _members(view.conn, group) if level == "group" else None
        if level == "group" and members is None:
            append(view.conn, [_denied(asked)])
            return refused(Refusal(404, "not-found", "there is no such resource"))
        wanted = _within(asked, parse_export(level, url, parameters, members, view.at))
        _try_filters(view, wanted, service.cursor_key)
        job = str(uuid4())
        if not _enter(view.conn, asked, job, wanted, exports.new_key(job), view.at):
            raise Refusal(
                429, "throttled", "too many exports at once; wait for one to end, or delete one",
                {"Retry-After": "60"},
            )  # fmt: skip
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, [], operation=True))
    place = {"Content-Location": f"{service.fhir_url}/{_PATH}/{job}"}
    told = Issue("information", "informational", "accepted; see Content-Location")
    return Answer(202, outcome([told]), headers=place)


def _has_body(asked: Asked) -> bool:
    """A POST may say all in its URL, as Medplum's client does."""
    return asked.call.method == "POST" and bool(asked.call.body)


def status(asked: Asked, job: str) -> Answer:
    """202 while the job is worked on, 200 with the manifest when it is done."""
    exports_of(asked)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        found = jobs.find(view.conn, job, asked.held.client_id, asked.held.viewer)
        if found is None:
            append(view.conn, [_denied(asked)])
            return no_such_export()
        files = jobs.files_of(view.conn, job)
    if found.state == "failed":
        return Answer(500, outcome([Issue("fatal", "exception", "the export failed; ask for it again")]))
    if found.state != "done":
        return Answer(202, b"", headers={"X-Progress": f"{found.lines} resources", "Retry-After": "2"})
    return _manifest(asked, found, files)


def cancel(asked: Asked, job: str) -> Answer:
    """202; the files are gone from the moment this is answered, and their bytes soon after."""
    exports_of(asked)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        if jobs.find(view.conn, job, asked.held.client_id, asked.held.viewer) is None:
            append(view.conn, [_denied(asked)])
            return no_such_export()
        view.conn.execute("SELECT drop_export(%s)", (UUID(job),))
        append(view.conn, query_entries(asked.who, asked.how, asked.call.text, [], operation=True))
    return Answer(202, b"")


def no_such_export() -> Answer:
    """404: another's, expired, cancelled and never begun are alike."""
    return refused(Refusal(404, "not-found", "there is no such export"))


def _within(asked: Asked, wanted: ExportAsked) -> ExportAsked:
    """Types named must be in scope; by default those that are."""
    readable = tuple(kind for kind in wanted.types if allows(asked.held.scopes, kind, "r"))
    named = any(name == "_type" for name, _ in asked.parameters) or _has_body(asked)
    for kind in wanted.types if named or not readable else ():
        access.require(asked.held, kind, "r")
    return replace(wanted, types=readable)


def _try_filters(view: Reader, wanted: ExportAsked, key: bytes) -> None:
    """Raises BadSearch for values that cannot be searched for: now, and not when the job runs."""
    for kind, query in wanted.filters:
        search(view, kind, [*parse_qsl(query, keep_blank_values=True), ("_count", "1")], "", key)


def _members(conn: psycopg.Connection, group: str) -> Mapping[str, datetime] | None:
    """Ids of the members, and since when each is one; None: there is no such panel."""
    row = conn.execute("SELECT joined FROM panel WHERE panel = %s", (UUID(group),)).fetchone()
    return None if row is None else {one: datetime.fromisoformat(since) for one, since in row[0].items()}


def _enter(
    conn: psycopg.Connection, asked: Asked, job: str, wanted: ExportAsked, key: bytes, at: datetime
) -> bool:
    held, limits = asked.held, asked.service.limits
    row = conn.execute(
        "SELECT ask_export(%s, %s, %s, %s, %s, %s, settled_instant(%s), %s, %s, %s, %s)",
        (
            UUID(job),
            held.viewer.role,
            held.viewer.purpose,
            held.client_id,
            " ".join(map(str, held.scopes)),
            Jsonb(wanted.to_json()),
            at,
            key,
            at + KEPT,
            limits.exports,
            limits.exports_kept,
        ),
    ).fetchone()
    return bool(row and row[0])


def _manifest(asked: Asked, job: Job, files: Sequence[jobs.File]) -> Answer:
    """Without `count`: it would tell how much was revoked since, and a client would miss it."""
    base = f"{asked.service.fhir_url}/{_FILES}/{job.job}"

    def listed(kind: str) -> list[dict[str, object]]:
        return [
            {"type": file.type, "url": f"{base}/{file.ordinal}.ndjson"} for file in files if file.kind == kind
        ]

    body = {
        "transactionTime": job.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request": job.asked["url"],
        "requiresAccessToken": True,
        "output": listed("output"),
        "deleted": listed("deleted"),
        "error": [],
    }
    answer = json_answer(body)
    expires = {"Expires": format_datetime(job.expires.astimezone(UTC), usegmt=True)}
    return Answer(answer.status, answer.body, answer.media, expires)


def _denied(asked: Asked) -> Entry:
    return denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)
