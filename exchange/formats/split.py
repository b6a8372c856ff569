"""A document becomes records; what is no record is rejected with its bytes, never dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import orjson

from exchange.formats import (
    ccda,
    delimited,
    fhir_json,
    hl7v2,
    hl7v2_batch,
    hsds_json,
    x12,
    x12_claims,
    x12_records,
)
from exchange.formats.joining import joiner
from exchange.formats.json_keys import repeated_key
from exchange.formats.records import Rejected, rejected, whole_document
from exchange.model.errors import RecordRejected
from exchange.model.partner import Feed, Partner
from exchange.model.records import Document, Format, SourceRecord

Split = Iterator[SourceRecord | Rejected]
# A row of PostgreSQL's indexes holds 2,700 bytes, in which the key has up to four for a character.
_LONGEST_KEY = 500
_ROUNDED = re.compile(r"-?\d(?:[.,]\d+)?E\+\d{1,3}")


def split(document: Document, feed: Feed, partner: Partner) -> Split:
    """Every record of a document in the order sent; a document that cannot be read is one Rejected."""
    try:
        for item in _SPLITTERS[feed.format](document, feed, partner):
            yield _with_usable_key(item)
    except RecordRejected as error:
        yield rejected(whole_document(document, partner.code, feed.format), error)


def _with_usable_key(item: SourceRecord | Rejected) -> SourceRecord | Rejected:
    """A key that no index can hold is no key: the record is rejected and known by its place instead."""
    record = item.record if isinstance(item, Rejected) else item
    if "\0" in record.key:
        problem = "the record's key holds a NUL character"
    elif len(record.key) > _LONGEST_KEY:
        problem = f"the record's key is longer than {_LONGEST_KEY} characters"
    else:
        return item
    placed = replace(record, key=record.position)
    if isinstance(item, Rejected):
        return replace(item, record=placed)
    return rejected(placed, RecordRejected(problem, code="structure"))


def _split_hl7v2(document: Document, feed: Feed, partner: Partner) -> Split:
    found = list(hl7v2_batch.messages(document.payload))
    if not found:
        raise RecordRejected("no MSH segment in the document", code="structure", position=document.name)
    base = whole_document(document, partner.code, feed.format)
    alone = len(found) == 1
    for ordinal, payload in found:
        position = document.name if alone else f"{document.name} message {ordinal}"
        record = replace(base, payload=payload, position=position, key=position, event_time=None)
        yield _identified_message(record, ZoneInfo(partner.timezone))
    for fault in hl7v2_batch.envelope_faults(document.payload):
        position = f"{document.name} {fault.expression}"
        trailer = replace(base, payload=fault.segment, position=position, key=position, event_time=None)
        yield rejected(trailer, RecordRejected(fault.problem, code="incomplete", expression=fault.expression))


def _identified_message(record: SourceRecord, zone: ZoneInfo) -> SourceRecord | Rejected:
    try:
        header = hl7v2.header_reader(hl7v2.parse(record.payload))
    except RecordRejected as error:
        return rejected(record, error)
    # With its time: senders begin to count again, and another message under a number corrects nothing.
    key = "|".join(header(number) for number in (3, 4, 10, 7))
    sent = hl7v2.timestamp(header(7).split("^")[0], zone)
    return replace(record, key=key if header(10) else record.key, event_time=sent)


def _split_ccda(document: Document, feed: Feed, partner: Partner) -> Split:
    root = ccda.parse(document.payload)
    key, written = ccda.identity(root)
    record = whole_document(document, partner.code, feed.format, key)
    yield replace(record, event_time=written or document.modified)


def _split_delimited(document: Document, feed: Feed, partner: Partner) -> Split:
    base = whole_document(document, partner.code, feed.format)
    joins = feed.joins()
    join = joiner(document, joins, feed.encoding, feed.options) if joins else None
    rows = delimited.rows(document.payload, feed.encoding, feed.options)
    line = 0
    for line, row, problem in rows:
        position = f"{document.name} line {line}"
        payload = row if join is None or problem else join(row)
        record = replace(base, payload=delimited.pack(payload), position=position, key=position)
        key = problem or _row_key(payload, feed.key)
        if isinstance(key, RecordRejected):
            yield rejected(record, key)
        else:
            yield replace(record, key=key or position)
    if not line and not feed.options.get("columns"):
        _check_header(document, feed)


def _check_header(document: Document, feed: Feed) -> None:
    """RecordRejected for a file of one line that is no header: somebody's row, whose header was lost."""
    header = delimited.header_of(document.payload, feed.encoding, feed.options)
    if missing := [column for column in feed.key if column not in header]:
        raise RecordRejected(
            f"the file is one line without the column {missing[0]}: its header is missing",
            code="structure",
            expression=missing[0],
            position="line 1",
        )


def _row_key(row: Mapping[str, str | list[str]], columns: tuple[str, ...]) -> str | RecordRejected:
    values = [str(row.get(column, "")).strip() for column in columns]
    empty = [column for column, value in zip(columns, values, strict=True) if not value]
    if any(map(_ROUNDED.fullmatch, values)):
        # 1.23457E+11: a spreadsheet has rounded the number, and two people have become one.
        problem = "the key is a rounded number (1.2E+11): have the partner save the column as text"
        return RecordRejected(problem, code="value", expression=", ".join(columns))
    if empty:
        return RecordRejected(f"key column {', '.join(empty)} is empty", code="required", expression=empty[0])
    return "|".join(values)


def _split_fhir(document: Document, feed: Feed, partner: Partner) -> Split:
    base = whole_document(document, partner.code, feed.format)
    for piece in fhir_json.pieces(document.payload):
        position = f"{document.name} {piece.position}".strip()
        record = replace(
            base,
            key=piece.key or (document.name if not piece.position else position),
            payload=piece.payload,
            position=position,
            deleted=document.deleted or piece.deleted,
            event_time=piece.updated or document.modified,
        )
        yield rejected(record, piece.problem) if piece.problem else record


def _split_hsds(document: Document, feed: Feed, partner: Partner) -> Split:
    base = whole_document(document, partner.code, feed.format)
    for ordinal, (key, payload) in enumerate(hsds_json.objects(document.payload), start=1):
        position = f"{document.name} object {ordinal}"
        record = replace(base, payload=payload, position=position, key=key or position)
        if key:
            yield record
        else:
            yield rejected(record, RecordRejected("the object has no id", code="required", expression="id"))
    if path := repeated_key(document.payload, fhir_json.load(document.payload)):
        position = f"{document.name} {path}"
        yield rejected(replace(base, position=position, key=position), fhir_json.stands_twice(path))


def _split_x12(document: Document, feed: Feed, partner: Partner) -> Split:
    base = whole_document(document, partner.code, feed.format)
    seen: Counter[str] = Counter()
    for transaction in x12.transactions(document.payload, feed.encoding):
        for claim in x12_claims.claims(transaction):
            position = f"{document.name} segment {claim.number}"
            record = replace(base, position=position, key=position)
            if claim.problem:
                error = RecordRejected(claim.problem, code="structure", expression=claim.expression)
                yield rejected(replace(record, payload="\n".join(claim.text).encode()), error)
                continue
            key = x12_records.key(claim.body)
            seen[key] += 1
            payload = orjson.dumps(x12_records.number_parts(claim.body))
            sent = hl7v2.timestamp(x12_records.sent(claim.body), ZoneInfo(partner.timezone))
            own = key if seen[key] == 1 else f"{key}|{seen[key]}"
            yield replace(record, payload=payload, key=own, event_time=sent or document.modified)


_SPLITTERS: Mapping[Format, Callable[[Document, Feed, Partner], Split]] = {
    "hl7v2": _split_hl7v2,
    "ccda": _split_ccda,
    "delimited": _split_delimited,
    "fhir_json": _split_fhir,
    "hsds_json": _split_hsds,
    "x12": _split_x12,
}
