"""Which format a file is in, by how it begins."""

from __future__ import annotations

import re

from exchange.model.records import Format

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


def kind_of(payload: bytes) -> Format:
    """The format; a table where nothing else is known.

    >>> kind_of(b"ISA*00*  "), kind_of(b'{"resourceType": "Patient"}'), kind_of(b"id,name")
    ('x12', 'fhir_json', 'delimited')
    """
    head = payload[:4000].lstrip(b"\xef\xbb\xbf\x0b \t\r\n")
    return next((kind for kind, begins in _BEGINNINGS if begins.match(head)), "delimited")
