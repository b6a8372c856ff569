"""What a request says about the form of its answer (https://hl7.org/fhir/R4/http.html#general)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

FHIR_JSON = "application/fhir+json"
JSON = frozenset({"*/*", "application/*", "text/*", "application/fhir+json", "application/json", "text/json"})
"""What an `Accept` may name where the answer is JSON."""

NDJSON = JSON | {"application/fhir+ndjson", "application/ndjson"}
"""And where it is a file of an export, whose errors are JSON."""

_FORMATS = {"json", "application/fhir+json", "application/json", "text/json"}
_VERSIONS = {"4.0", "4.0.1"}

Handling = Literal["strict", "lenient"]


def is_acceptable(accept: str, formats: Iterable[str] = (), offered: Collection[str] = JSON) -> bool:
    """Whether the answer may be of FHIR R4 as `offered`; `_format` wins over `Accept`, nothing said is a yes.

    >>> is_acceptable("application/fhir+xml"), is_acceptable("application/fhir+xml", ["json"])
    (False, True)
    """
    named = list(formats)
    if named:
        return all(_media(name.replace(" ", "+"))[0] in _FORMATS for name in named)
    offers = [_media(part) for part in accept.split(",") if part.strip()]
    return not offers or any(_names(offered, media, options) for media, options in offers)


def handling(prefer: str) -> Handling:
    """`Prefer: handling=`; without it unknown search parameters are refused (strict).

    >>> handling("respond-async, Handling=lenient")
    'lenient'
    """
    named = re.search(r"(?:^|[,;\s])handling\s*=\s*\"?(strict|lenient)\b", prefer.lower())
    return "lenient" if named and named[1] == "lenient" else "strict"


def wants_body(prefer: str) -> bool:
    """Whether what was kept is wanted back: not by `Prefer: return=minimal`.

    >>> wants_body("return=minimal"), wants_body("")
    (False, True)
    """
    return not re.search(r"(?:^|[,;\s])return\s*=\s*\"?minimal\b", prefer.lower())


def not_modified(if_none_match: str, etag: str) -> bool:
    """Whether the requester holds this very content already, as `If-None-Match` says.

    `If-Modified-Since` is not heard: what a requester is told of a record changes with consents and rules,
    and its date does not.

    >>> not_modified('W/"1", "2"', 'W/"2"'), not_modified("", 'W/"2"')
    (True, False)
    """
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(known & {"*", etag.removeprefix("W/")})


def http_date(instant: datetime) -> str:
    """An instant for `Last-Modified`.

    >>> http_date(datetime(2026, 6, 1, 17, tzinfo=UTC))
    'Mon, 01 Jun 2026 17:00:00 GMT'
    """
    return format_datetime(instant.astimezone(UTC), usegmt=True)


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *options = (part.strip().lower() for part in text.split(";"))
    return media, {name.strip(): value.strip(' "') for name, _, value in (o.partition("=") for o in options)}


def _names(offered: Collection[str], media: str, options: dict[str, str]) -> bool:
    refused = re.fullmatch(r"0(\.0*)?", options.get("q", "1"))
    return media in offered and not refused and options.get("fhirversion", "4.0") in _VERSIONS
