"""Which version of FHIR a new partner's files are in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from exchange.connectors.files import is_temporary
from exchange.formats.kind import BEGINNING, kind_of
from exchange.mapping.stu3 import speaks_stu3

_FILES, _LINES, _BYTES = 20, 200, 20_000_000


def declared_version(folder: Path) -> str:
    """`STU3` where a resource in the first files says so; nothing where all can be R4."""
    return "STU3" if any(speaks_stu3(resource) for resource in _resources(folder)) else ""


def _resources(folder: Path) -> Iterator[dict[str, Any]]:
    """Those of the first uncompressed files of FHIR, what a Bundle holds among them."""
    read = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or is_temporary(path.as_posix()) or path.stat().st_size > _BYTES:
            continue
        payload = path.read_bytes()
        if kind_of(payload[:BEGINNING]) == "fhir_json":
            yield from _inside(payload)
            read += 1
        if read == _FILES:
            return


def _inside(payload: bytes) -> Iterator[dict[str, Any]]:
    lines = payload.splitlines()
    for text in [payload] if _parsed(payload) is not None else lines[:_LINES]:
        found = _parsed(text)
        for item in found if isinstance(found, list) else [found]:
            if isinstance(item, dict):
                yield item
                entries = item.get("entry")
                for entry in entries if isinstance(entries, list) else []:
                    if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                        yield entry["resource"]


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
