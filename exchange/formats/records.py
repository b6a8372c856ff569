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
    """The record with the error as an issue."""
    issue = Issue("error", error.code, str(error), error.expression, error.position or record.position)
    return Rejected(record, issue)
