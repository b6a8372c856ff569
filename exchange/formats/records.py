"""What splitting a document yields besides records."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.model.errors import RecordRejected
from exchange.model.records import Document, Format, Issue, SourceRecord


@dataclass(frozen=True, slots=True)
class Rejected:
    """A piece of a document that is no record of its format; `record.payload` holds all of it."""

    record: SourceRecord
    issue: Issue


def whole_document(document: Document, partner: str, kind: Format, key: str = "") -> SourceRecord:
    """The document as one record."""
    return SourceRecord(
        partner=partner,
        feed=document.feed,
        key=key or document.name,
        format=kind,
        payload=document.payload,
        position=document.name,
        deleted=document.deleted,
        event_time=document.modified,
    )


def rejected(record: SourceRecord, error: RecordRejected) -> Rejected:
    """The record with the error as an issue; a place inside the record is told after the record's own."""
    inside = "" if record.position.endswith(error.position) else error.position
    place = inside if inside.startswith(record.position) else f"{record.position} {inside}".strip()
    issue = Issue("error", error.code, str(error), error.expression, place)
    return Rejected(record, issue)
