"""POST of a Bundle: what a participant pushes goes through its pipeline like what is pulled from others.

It is kept, sealed, and answered 202; the status tells later what became of each entry.
https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from exchange.api import access
from exchange.api.answering import Asked
from exchange.api.care import refuse_emergency
from exchange.api.messages import Answer, Refusal, json_answer, outcome, refused
from exchange.api.negotiation import FHIR_JSON
from exchange.api.uploads import resource_of
from exchange.api.viewing import view_of, writing_view_of
from exchange.audit import append, denied_entry, query_entries
from exchange.model.records import Issue, Resource
from exchange.pipeline.pushed import seal_push

_PATH = "$push-status"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_TARGET = re.compile(r"([A-Z][A-Za-z]{1,63})(?:/([A-Za-z0-9\-.]{1,64}))?")
_BY_IDENTIFIER = re.compile(r"identifier=[^&\s]{1,500}")
_LETTERS = {"POST": "c", "PUT": "u", "DELETE": "d"}
_MOST_ENTRIES = 5_000


class _Entry(NamedTuple):
    method: str
    type: str
    body: dict[str, Any]


def push(asked: Asked) -> Answer:
    """202 with the address of the status in Content-Location; the same idempotency key gives the same one."""
    exports, partner = asked.service.exports, asked.service.participants.get(asked.held.viewer.participant)
    if exports is None or partner is None or partner.connector is None or partner.connector.type != "push":
        raise Refusal(
            403, "forbidden", "this participant does not push: its partner.yaml names another connector"
        )
    bundle = resource_of(asked.call, "Bundle")
    kind = bundle.get("type")
    if kind not in ("batch", "transaction"):
        raise Refusal(422, "value", "a Bundle that is pushed is a batch or a transaction")
    entries = _entries(bundle)
    for entry in entries:
        access.require(asked.held, entry.type, _LETTERS[entry.method])
    payload = orjson.dumps(_for_pipeline(bundle, kind, entries))
    digest = sha256(asked.call.body).digest()
    key = asked.call.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refusal(400, "value", "Idempotency-Key has 1 to 200 visible ASCII characters")
    sealed = seal_push(payload, exports.keyring, partner.code)
    with writing_view_of(asked.service, asked.held, asked.call.at) as view:
        refuse_emergency(view.conn)
        row = view.conn.execute(
            "SELECT keep_push(%s, %s, %s, %s, %s, %s, %s)",
            (
                asked.held.client_id, key, digest, kind, [entry.method for entry in entries], sealed,
                asked.service.limits.pushes,
            ),
        ).fetchone()  # fmt: skip
        number = row[0] if row else -1
        told = f"POST /fhir\n\n{kind} of {len(entries)} entries, sha256 {digest.hex()}"
        append(view.conn, query_entries(asked.who, asked.how, told, [], operation=True))
    if number == -1:
        raise Refusal(422, "conflict", "this Idempotency-Key was used for another Bundle")
    if number == -2:
        raise Refusal(
            429, "throttled", "too many Bundles wait; send the next one later", {"Retry-After": "60"}
        )
    place = {"Content-Location": f"{asked.service.fhir_url}/{_PATH}/{number}", "Retry-After": "10"}
    kept = Issue("information", "informational", "kept, and taken with the next run; see Content-Location")
    return Answer(202, outcome([kept]), headers=place)


def status(asked: Asked, number: int) -> Answer:
    """202 until every entry has gone through the pipeline, then a Bundle of responses."""
    with view_of(asked.service, asked.held, asked.call.at, "") as view:
        found = view.conn.execute("SELECT * FROM push_of(%s, %s)", (number, asked.held.client_id)).fetchone()
        if found is None:
            append(view.conn, [denied_entry(asked.who, asked.how, asked.call.text, "404 not-found", False)])
            return refused(Refusal(404, "not-found", "there is no such push"))
        rows = view.conn.execute(
            "SELECT * FROM push_outcomes(%s, %s)", (number, asked.held.client_id)
        ).fetchall()
    kind, methods = found
    told = {position: (result, issues or []) for position, result, issues in rows}
    whole = f"push/{number}"
    together = whole in told or not told
    places = [whole if together else f"{whole} entry {n}" for n in range(len(methods))]
    if any(told.get(place, (None, []))[0] is None for place in places):
        return Answer(202, b"", headers={"Retry-After": "10"})
    body = {
        "resourceType": "Bundle",
        "type": f"{kind}-response",
        "entry": [
            {"response": _response(method, *told[p])} for method, p in zip(methods, places, strict=True)
        ],
    }
    return json_answer(body, media=FHIR_JSON)


def _response(method: str, result: str, issues: Sequence[Sequence[str]]) -> Mapping[str, Any]:
    """What the repository may not show to others is kept all the same: to its source that is no refusal."""
    if result != "quarantined":
        return {"status": "204 No Content" if method == "DELETE" else "200 OK"}
    told = [Issue(s, c, detail, expression) for s, c, expression, detail in issues]  # type: ignore[arg-type]
    return {"status": "422 Unprocessable Entity", "outcome": orjson.loads(outcome(told))}


def _entries(bundle: Resource) -> list[_Entry]:
    """The entries, checked for what can be carried out; raises Refusal (422) naming the entry."""
    found = bundle.get("entry")
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_ENTRIES:
        raise Refusal(422, "value", f"Bundle.entry has 1 to {_MOST_ENTRIES} entries")
    whole = bundle.get("type") == "transaction"
    entries = [_entry(f"Bundle.entry[{number}]", entry, whole) for number, entry in enumerate(found)]
    _refuse_doubles(
        [target for entry in entries if (target := _target(entry))], "are about the same resource"
    )
    if whole:  # by it others refer to the entry
        _refuse_doubles([e.body["fullUrl"] for e in entries if "fullUrl" in e.body], "have the same fullUrl")
    deletes = {entry.method == "DELETE" for entry in entries}
    if whole and len(deletes) > 1:
        raise Refusal(422, "not-supported", "a transaction deletes only, or does not delete; send two")
    return entries


def _target(entry: _Entry) -> str | None:
    """What the pipeline knows the resource by, if that is sure; a conditional create may find another."""
    request = entry.body["request"]
    if entry.method != "POST":
        return unquote(str(request["url"]))
    key = entry.body["resource"].get("id")
    return f"{entry.type}/{key}" if key and "ifNoneExist" not in request else None


def _refuse_doubles(names: Sequence[object], how: str) -> None:
    """Raises Refusal (422): of two of one name one would be lost."""
    if len(names) != len(set(map(str, names))):
        raise Refusal(422, "duplicate", f"two entries of one Bundle {how}")


def _entry(where: str, entry: object, whole: bool) -> _Entry:
    """One entry; `whole`: of a transaction, which alone may name a resource by its identifier."""
    request = entry.get("request") if isinstance(entry, dict) else None
    method = request.get("method") if isinstance(request, dict) else None
    url, _, condition = str(request.get("url", "")).partition("?") if isinstance(request, dict) else ("",) * 3
    target = _TARGET.fullmatch(url)
    if (
        not isinstance(entry, dict)
        or not isinstance(request, dict)
        or not isinstance(method, str)
        or method not in _LETTERS
        or target is None
    ):
        raise Refusal(422, "not-supported", f"{where}.request: POST Type, PUT Type/id or DELETE Type/id")
    _check_condition(where, request, condition, whole)
    if {"ifMatch", "ifNoneMatch", "ifModifiedSince"} & request.keys():
        raise Refusal(
            422, "not-supported", f"{where}.request: versions are the repository's, not the source's"
        )
    resource = entry.get("resource")
    if (method == "POST" or bool(condition)) == bool(target[2]):
        raise Refusal(
            422, "value", f"{where}.request.url: a type for POST, a type with an id for PUT and DELETE"
        )
    if method != "DELETE" and (not isinstance(resource, dict) or resource.get("resourceType") != target[1]):
        raise Refusal(422, "value", f"{where}.resource is not of the type of its request")
    if target[2] and method == "PUT" and isinstance(resource, dict) and resource.get("id") != target[2]:
        raise Refusal(422, "value", f"{where}.resource.id is not that of its request")
    return _Entry(str(method), target[1], entry)


def _check_condition(where: str, request: Mapping[str, Any], condition: str, whole: bool) -> None:
    """Raises Refusal (422) for a condition that would be taken for another, or for none."""
    named = request.get("ifNoneExist")
    is_create = request["method"] == "POST"
    if condition if is_create else named is not None:
        raise Refusal(422, "value", f"{where}.request: ifNoneExist is for POST, a query for PUT and DELETE")
    conditions = [condition] if condition else [str(named).removeprefix("?")] if named is not None else []
    if not all(_BY_IDENTIFIER.fullmatch(one) for one in conditions):
        raise Refusal(422, "not-supported", f"{where}.request: a condition is identifier=system|value alone")
    if not whole and (conditions or is_create):
        raise Refusal(422, "not-supported", f"{where}.request: POST and conditions are for transactions")


def _for_pipeline(bundle: Resource, kind: str, entries: Sequence[_Entry]) -> Resource:
    """A transaction is one record; a batch is many, each with its own fate."""
    if kind == "transaction":
        return bundle
    kept = [
        {
            k: v
            for k, v in e.body.items()
            if k in ("resource", "request") and (k == "resource" or e.method == "DELETE")
        }
        for e in entries
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": kept}
