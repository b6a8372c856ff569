"""Which format a file is in, by how it begins."""

from __future__ import annotations

import re

from exchange.model.records import Format

BEGINNING = 4000
"""Bytes of a file that are enough to tell."""

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a]")
_BEGINNINGS: tuple[tuple[Format, re.Pattern[bytes]], ...] = (
    ("x12", re.compile(rb"ISA[^A-Za-z0-9\s]\d\d")),
    ("hl7v2", re.compile(rb"(?:MSH|FHS|BHS)[^A-Za-z0-9\s]")),
    ("ccda", re.compile(rb"<(?s:.){0,2000}<(?:\w+:)?ClinicalDocument|<(?:\w+:)?ClinicalDocument")),
    ("fhir_json", re.compile(rb"[\[{](?s:.){0,200}\"resourceType\"")),
    (
        "hsds_json",
        re.compile(rb"[\[{](?s:.){0,2000}\"(?:contents|organization|service_at_locations|services)\""),
    ),
)


def kind_of(payload: bytes) -> Format | None:
    """The format; None for what is in no format that is read, an empty file among them.

    >>> kind_of(b"ISA*00*  "), kind_of(b'{"resourceType": "Patient"}'), kind_of(b"id,name\\n1,Ana")
    ('x12', 'fhir_json', 'delimited')
    >>> kind_of(b"%PDF-1.7"), kind_of(b"Read me first.\\nAll is well.")
    (None, None)
    """
    head = payload[:BEGINNING].lstrip(b"\xef\xbb\xbf\x0b \t\r\n")
    told = next((kind for kind, begins in _BEGINNINGS if begins.match(head)), None)
    return told or ("delimited" if _is_table(head) else None)


def _is_table(head: bytes) -> bool:
    first, line_end, _ = head.replace(b"\r", b"\n").partition(b"\n")
    # Of a very wide table the beginning holds no whole line.
    line_end = line_end or head[BEGINNING - 200 :][:1]
    separated = any(mark in first for mark in (b",", b";", b"\t", b"|"))
    return (
        separated and bool(line_end) and not head.startswith((b"<", b"{", b"[")) and not _BINARY.search(head)
    )
