"""FHIR JSON: resources, NDJSON and Bundles.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from exchange.formats.json_keys import repeated_key
from exchange.model.errors import RecordRejected

# No FHIR or HSDS document comes near it; what is deeper is made to exhaust its reader.
_DEEPEST = 100
_MORE = re.compile(rb"[^ \t\r\n]")
# fmt: off
_MEMBERS = frozenset((
    "resourceType", "id", "meta", "implicitRules", "language", "identifier", "type", "timestamp", "total",
    "link", "entry", "signature", "fhir_comments",
    "_id", "_implicitRules", "_language", "_type", "_timestamp", "_total",
))
# fmt: on
_NO_MEMBER = "a Bundle has no member of this name: what stands there is not read"
_NAME = re.compile(r"_?[A-Za-z]{1,40}")  # a longer or stranger one may be anything, and is not repeated
_MARK = b"\xef\xbb\xbf"  # a byte order mark, which JSON has not


@dataclass(frozen=True, slots=True)
class Piece:
    """One record's worth of a FHIR document; `key` is empty when the document's name must serve."""

    key: str
    payload: bytes
    position: str = ""
    deleted: bool = False
    updated: datetime | None = None
    problem: RecordRejected | None = None


def load(payload: bytes) -> Any:
    """Parsed JSON; raises RecordRejected."""
    try:
        parsed = orjson.loads(payload.removeprefix(_MARK))
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg:
            raise _too_deep() from None
        raise RecordRejected(
            "not well-formed JSON", code="structure", position=f"line {error.lineno}"
        ) from None
    # So few brackets cannot be so deep, and counting them costs nothing.
    if payload.count(b"{") + payload.count(b"[") > _DEEPEST and _is_deeper(parsed, _DEEPEST):
        raise _too_deep()
    return parsed


def _too_deep() -> RecordRejected:
    return RecordRejected(f"JSON nested deeper than {_DEEPEST} levels", code="too-costly")


def _is_deeper(parsed: Any, levels: int) -> bool:
    level = [parsed]
    for _ in range(levels):
        level = (
            [
                child
                for value in level
                for child in (value.values() if isinstance(value, dict) else value)
                if isinstance(child, dict | list)
            ]
            if isinstance(parsed, dict | list)
            else []
        )
        if not level:
            return False
    return True


def pieces(payload: bytes) -> Iterator[Piece]:
    """Resources one by one; a transaction, or a Bundle whose entries refer by urn:uuid, stays whole."""
    payload = payload.removeprefix(_MARK)
    if _starts_with_whole_line(payload):
        yield from _ndjson(payload)
    else:
        yield from _parsed(load(payload), payload, "")


def _parsed(parsed: Any, payload: bytes, position: str) -> Iterator[Piece]:
    """What a document holds, and, beside it, that a key of it stands twice."""
    yield from _document(parsed, payload, position)
    if path := repeated_key(payload, parsed):
        yield Piece("", payload, f"{position} {path}".strip(), problem=stands_twice(path))
    for name in _no_members(parsed):
        problem = RecordRejected(_NO_MEMBER, code="structure", expression=f"Bundle.{name}")
        yield Piece("", payload, f"{position} {name}".strip(), problem=problem)


def _no_members(parsed: Any) -> Iterator[str]:
    """Names in a Bundle that R4 has not, such as `Entry`: all that stands there would be missed."""
    if isinstance(parsed, dict) and parsed.get("resourceType") == "Bundle":
        unknown = parsed.keys() - _MEMBERS
        yield from sorted(name for name in unknown if _NAME.fullmatch(name))
        if any(not _NAME.fullmatch(name) for name in unknown):
            yield "?"


def stands_twice(path: str) -> RecordRejected:
    """What is told of a key that stands twice; the rest is taken as it is read."""
    problem = "a key stands twice in one object: the last one was taken"
    return RecordRejected(problem, code="duplicate", expression=path)


def _starts_with_whole_line(payload: bytes) -> bool:
    """Whether the first line is JSON and more comes after it: then the whole is none."""
    start = len(payload) - len(payload.lstrip())
    end = payload.find(b"\n", start)
    if end < 0 or not _MORE.search(payload, end):
        return False
    try:
        load(payload[start:end])
    except RecordRejected:
        return False
    return True


def _ndjson(payload: bytes) -> Iterator[Piece]:
    for number, line in enumerate(payload.split(b"\n"), start=1):
        if not line.strip():
            continue
        position = f"line {number}"
        try:
            yield from _parsed(load(line), line, position)
        except RecordRejected as error:
            problem = RecordRejected(str(error), code=error.code, position=position)
            yield Piece("", line, position, problem=problem)


def _document(parsed: Any, payload: bytes, position: str) -> Iterator[Piece]:
    if not isinstance(parsed, dict) or not isinstance(parsed.get("resourceType"), str):
        raise RecordRejected("not a FHIR resource: no resourceType", code="structure", position=position)
    if parsed["resourceType"] != "Bundle":
        yield _resource(parsed, payload, position)
        return
    entries = parsed.get("entry") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RecordRejected("entry must be a list of objects", code="structure", expression="Bundle.entry")
    if _one_record(parsed, entries):
        yield Piece(_bundle_key(parsed), payload, position, updated=_updated(parsed))
    else:
        for ordinal, entry in _in_order(parsed, entries):
            if (entry.get("search") or {}).get("mode") != "outcome":  # the server's remark, no record
                yield _entry(entry, f"{position} entry {ordinal}".strip())


def _in_order(bundle: dict[str, Any], entries: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Entries with their ordinals, the oldest version first: a history has the newest first."""
    numbered = list(enumerate(entries))
    yield from reversed(numbered) if bundle.get("type") == "history" else numbered


def _one_record(bundle: dict[str, Any], entries: list[dict[str, Any]]) -> bool:
    if entries and all(_method(entry) == "DELETE" for entry in entries):
        return False
    if bundle.get("type") == "history":
        return False
    if bundle.get("type") in ("transaction", "batch", "document", "message"):
        return True
    return any(str(entry.get("fullUrl", "")).startswith("urn:") for entry in entries)


def _bundle_key(bundle: dict[str, Any]) -> str:
    identifier = bundle.get("identifier") or {}
    if isinstance(identifier, dict) and identifier.get("value"):
        return f"Bundle/{identifier.get('system', '')}|{identifier['value']}"
    return f"Bundle/{bundle['id']}" if bundle.get("id") else ""


def _method(entry: dict[str, Any]) -> str:
    request = entry.get("request")
    return str(request.get("method", "")) if isinstance(request, dict) else ""


def _entry(entry: dict[str, Any], position: str) -> Piece:
    if _method(entry) == "DELETE":
        path, mark, condition = str(entry["request"].get("url", "")).partition("?")
        named = path.split("/")[-1:] if condition else path.split("/")[-2:]
        return Piece(f"{'/'.join(named)}{mark}{condition}", b"", position, deleted=True)
    resource = entry.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        problem = RecordRejected("the entry holds no resource", code="structure", position=position)
        return Piece("", orjson.dumps(entry), position, problem=problem)
    return _resource(resource, orjson.dumps(resource), position)


def _resource(resource: dict[str, Any], payload: bytes, position: str) -> Piece:
    identifier = resource.get("id")
    if not isinstance(identifier, str) or not identifier:
        problem = RecordRejected("the resource has no id", code="required", expression="id")
        return Piece("", payload, position, problem=problem)
    return Piece(f"{resource['resourceType']}/{identifier}", payload, position, updated=_updated(resource))


def _updated(resource: dict[str, Any]) -> datetime | None:
    meta = resource.get("meta")
    text = meta.get("lastUpdated") if isinstance(meta, dict) else None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
