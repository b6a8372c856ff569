"""Panels: Groups that a participant uploads to say who is in its care (https://hl7.org/fhir/R4/group.html).

Only the participant itself reads them back; members that are not known here are kept like those that are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from exchange.api import access
from exchange.api.answering import Asked
from exchange.api.care import refuse_emergency
from exchange.api.messages import Answer, Refusal, json_answer, refused
from exchange.api.negotiation import FHIR_JSON, http_date, not_modified, wants_body
from exchange.api.preconditions import expected_version, refuse_conditions
from exchange.api.uploads import resource_of
from exchange.api.viewing import view_of, writing_view_of
from exchange.audit import Disclosed, append, denied_entry, read_entry
from exchange.audit.care import care_entries
from exchange.model.records import Resource

LASTS = timedelta(days=100)
"""After its upload: a panel is uploaded again each quarter, or it ends."""

_MEMBER = re.compile(r"(?:https?://\S+/)?Patient/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_MOST_MEMBERS = 50_000
_NOT_KEPT = Refusal(412, "conflict", "this is not a version you have, or you have too many panels")


class _Panel(NamedTuple):
    body: Resource
    members: list[str]


def create(asked: Asked) -> Answer:
    """POST Group."""
    access.require(asked.held, "Group", "c")
    refuse_conditions(asked.call)
    return _keep(asked, str(uuid4()), 0)


def update(asked: Asked, panel: str) -> Answer:
    """PUT Group/[id]: the next version of one's own, or a new one under an id of its choice."""
    access.require(asked.held, "Group", "u")
    refuse_conditions(asked.call, ("If-Match", "If-None-Match"))
    return _keep(asked, panel, expected_version(asked.call))


def read(asked: Asked, panel: str) -> Answer:
    """GET Group/[id]: one's own."""
    return _read(asked, panel, None)


def vread(asked: Asked, panel: str, version: int) -> Answer:
    """GET Group/[id]/_history/[version]: the one that stands; those before it are not kept."""
    return _read(asked, panel, version)


def _read(asked: Asked, panel: str, version: int | None) -> Answer:
    access.require(asked.held, "Group", "r")
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        row = view.conn.execute(
            "SELECT body, version, updated FROM panel WHERE panel = %s AND version = coalesce(%s, version)",
            (UUID(panel), version),
        ).fetchone()
        if row is None:
            return not_found(asked, view.conn)
        kind = "read" if version is None else "vread"
        append(view.conn, [read_entry(asked.who, asked.how, f"Group/{panel}", Disclosed(None), kind)])
    answer = _answer(panel, *row)
    if not_modified(asked.call.headers.get("if-none-match", ""), answer.headers["ETag"]):
        return Answer(304, b"", headers=answer.headers)
    return answer


def delete(asked: Asked, panel: str) -> Answer:
    """DELETE Group/[id]: its relationships end; a second time, and of another's, it is the same answer."""
    access.require(asked.held, "Group", "d")
    refuse_conditions(asked.call, ("If-Match",))
    expected = expected_version(asked.call)
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        refuse_emergency(view.conn)
        ended = view.conn.execute("SELECT drop_panel(%s, %s)", (UUID(panel), expected)).fetchone()
        if not ended or not ended[0]:
            append(view.conn, [denied_entry(asked.who, asked.how, asked.call.text, "412 conflict")])
            return refused(_NOT_KEPT)
        append(view.conn, care_entries("care.ended", asked.who, asked.how, asked.call.text, []))
    return Answer(204, b"")


def not_found(asked: Asked, conn: Any) -> Answer:
    """404, and its record."""
    append(conn, [denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", serious=False)])
    return refused(Refusal(404, "not-found", "there is no such resource"))


def _keep(asked: Asked, panel: str, expected: int | None) -> Answer:
    given = _panel(resource_of(asked.call, "Group"), panel)
    with writing_view_of(asked.service, asked.held, asked.call.at) as view:
        refuse_emergency(view.conn)
        kept = view.conn.execute(
            "SELECT keep_panel(%s, %s, %s::uuid[], %s, %s, %s)",
            (
                UUID(panel),
                Jsonb(given.body),
                [UUID(member) for member in given.members],
                view.at + LASTS,
                expected,
                asked.service.limits.panels,
            ),
        ).fetchone()
        version = kept[0] if kept else None
        if version is None:
            append(view.conn, [denied_entry(asked.who, asked.how, _told(asked, given), "412 conflict")])
            return refused(_NOT_KEPT)
        append(view.conn, care_entries("care.stated", asked.who, asked.how, _told(asked, given), []))
    return _answer(panel, given.body, version, view.at, 201 if version == 1 else 200, asked)


def _told(asked: Asked, given: _Panel) -> str:
    """The upload as the audit log keeps it: who was named is in the panel, and its digest here."""
    digest = sha256("\n".join(given.members).encode()).hexdigest()
    return f"{asked.call.method} {asked.call.path}\n\n{len(given.members)} members, sha256 {digest}"


def _panel(body: Resource, panel: str) -> _Panel:
    """What is kept of a Group; raises Refusal (422) for one that is not a list of Patients."""
    members = body.get("member", [])
    if body.get("type") != "person" or body.get("actual") is not True or not isinstance(members, list):
        raise Refusal(422, "invalid", "a panel is a Group with type `person`, actual `true` and `member`")
    if len(members) > _MOST_MEMBERS:
        raise Refusal(422, "too-long", f"a panel has {_MOST_MEMBERS} members at most; make several")
    ids = [_member(member) for member in members]
    name = body.get("name")
    kept: Resource = {
        "resourceType": "Group",
        "id": panel,
        "type": "person",
        "actual": True,
        **({"name": name} if isinstance(name, str) and name.isprintable() and len(name) <= 200 else {}),
        "quantity": len(ids),
        "member": [{"entity": {"reference": f"Patient/{one}"}} for one in ids],
    }
    return _Panel(kept, sorted(set(ids)))


def _member(member: object) -> str:
    entity = member.get("entity") if isinstance(member, Mapping) else None
    reference = entity.get("reference") if isinstance(entity, Mapping) else None
    found = _MEMBER.fullmatch(reference) if isinstance(reference, str) else None
    if found is None or (isinstance(member, Mapping) and (member.get("inactive") or member.get("period"))):
        raise Refusal(
            422,
            "value",
            "each member names a Patient of this server by reference, without period or inactive",
        )
    return found[1]


def _answer(
    panel: str, body: Resource, version: int, updated: datetime, status: int = 200, asked: Asked | None = None
) -> Answer:
    moment = updated.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    meta = {"versionId": str(version), "lastUpdated": moment}
    headers = {"ETag": f'W/"{version}"', "Last-Modified": http_date(updated)}
    if asked is not None:
        headers["Location"] = f"{asked.service.fhir_url}/Group/{panel}/_history/{version}"
        if not wants_body(asked.call.headers.get("prefer", "")):
            return Answer(status, b"", headers=headers)
    answer = json_answer({**body, "meta": meta}, status, media=FHIR_JSON)
    return Answer(answer.status, answer.body, answer.media, headers)
