"""What a server calls what it makes, as a bulk export: taken out, so that two of the same can be compared."""

from __future__ import annotations

import re

import orjson

from exchange.app.prove.comparing import Answer

_LAST = re.compile(r"[^/=?&]+$")
_UUID = 36


def place_of_status(answer: Answer) -> str | None:
    """Where the status of an export that was just begun is asked for."""
    return dict(answer.headers).get("content-location") if answer.status == 202 else None


def name_of_made(answer: Answer) -> str | None:
    """The name of what was just made, which the server chose or took from the request.

    >>> name_of_made(Answer(201, (("location", "{base}/Group/7/_history/1"),), b""))
    '7'
    """
    headers = dict(answer.headers)
    place = headers.get("location") or headers.get("content-location") or ""
    last = _LAST.search(place.partition("/_history/")[0])
    return last[0] if last else None


def files_listed(manifest: Answer) -> list[str]:
    """URLs of a manifest's files; none of what is no manifest.

    https://hl7.org/fhir/uv/bulkdata/export.html
    """
    try:
        told = orjson.loads(manifest.body) if manifest.status == 200 else {}
    except orjson.JSONDecodeError:
        return []
    kinds = (told.get(kind, ()) for kind in ("output", "deleted", "error")) if isinstance(told, dict) else ()
    return [file["url"] for files in kinds for file in files]


def without_names(answer: Answer, place: str, files: list[str]) -> Answer:
    """The answer with its export's and its files' own names replaced by what is the same each time.

    >>> without_names(Answer(202, (("content-location", "{base}/status/7"),), b""), "{base}/status/7", [])
    Answer(status=202, headers=(('content-location', '{base}/status/{made}'),), body=b'')
    """
    names = {url: f"{{file {number}}}" for number, url in enumerate(files)}
    if last := _LAST.search(place):
        short = "/" if len(last[0]) < _UUID else ""  # the number 7 alone would stand in many a place
        names[f"{short}{last[0]}"] = f"{short}{{made}}"
    headers, body = dict(answer.headers), answer.body
    for name, shown in names.items():
        headers = {key: value.replace(name, shown) for key, value in headers.items()}
        body = body.replace(name.encode(), shown.encode())
    if len(body) != len(answer.body):
        headers.pop("content-length", None)
    return Answer(answer.status, tuple(sorted(headers.items())), body)
