"""One NDJSON file of an export, in slices that can be gone on from, over connections that break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import requests

from exchange.connectors.http import Incomplete, Request, Service, lowered
from exchange.connectors.options import FhirBulkOptions
from exchange.model.errors import PartnerRefused, PartnerUnavailable

_BLOCK = 1 << 20
_SLICE_BYTES = 16 << 20


class ExportLost(Exception):
    """A signal to begin anew: the server keeps the export, or this file of it, no longer."""


@dataclass(frozen=True, slots=True)
class BulkFile:
    """`count` is the number of resources the manifest promises, if it does."""

    url: str
    needs_token: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Whole lines, and where the file goes on after them."""

    payload: bytes
    offset_after: int
    lines_after: int


def read_slices(
    service: Service[FhirBulkOptions], file: BulkFile, offset: int, lines: int
) -> Iterator[Slice]:
    """The file from `offset` on; raises ExportLost, PartnerUnavailable or PartnerRefused."""
    options = service.options
    failures = 0
    while True:
        try:
            for payload in _read_once(service, file, offset, options.slice_lines):
                offset, lines, failures = offset + len(payload), lines + count_lines(payload), 0
                yield Slice(payload, offset, lines)
        except (Incomplete, requests.RequestException):
            failures += 1
            if failures >= options.attempts:
                raise PartnerUnavailable(
                    f"{service.partner}: a file of the export breaks off, {failures} times"
                ) from None
        else:
            break
    if file.count is not None and lines < file.count:
        raise ExportLost("a file holds fewer lines than its manifest says")


def count_lines(payload: bytes) -> int:
    """Lines, the last one with or without its end."""
    return payload.count(b"\n") + (not payload.endswith(b"\n"))


def _read_once(
    service: Service[FhirBulkOptions], file: BulkFile, offset: int, slice_lines: int
) -> Iterator[bytes]:
    """Runs of whole lines from `offset` to the end, as far as one connection carries."""
    response, skip = _open_at(service, file, offset)
    if response is None:
        return
    waiting = bytearray()
    limit = service.options.largest_answer_mb << 20
    with response:
        for block in response.iter_content(_BLOCK):
            skipped = min(skip, len(block))
            skip -= skipped
            waiting += block[skipped:]
            yield from _whole_slices(waiting, slice_lines)
            if len(waiting) > limit:
                raise PartnerRefused(f"{service.partner}: a line of the export is larger than {limit} bytes")
    yield from _rest(waiting, slice_lines)


def _open_at(
    service: Service[FhirBulkOptions], file: BulkFile, offset: int
) -> tuple[requests.Response | None, int]:
    """The answer, and how many of its bytes lie before `offset`; None when nothing does after it."""
    headers = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "identity"}
    accepts = frozenset({200, 206, 404, 410, 416})
    ranged = {**headers, "Range": f"bytes={offset}-"} if offset else headers
    request = Request("a file of the export", file.url, ranged, accepts, authorized=file.needs_token)
    response = service.send(request, lambda response: response)
    if response.status_code in (404, 410):
        raise ExportLost("a file is gone")
    if response.status_code == 416:
        return None, 0
    if response.status_code == 200:
        return response, offset
    start = lowered(response).get("content-range", "").replace(" ", "=").partition("=")[2].partition("-")[0]
    if start == str(offset) and not response.headers.get("Content-Encoding"):
        return response, 0
    # A range of a compressed file, or another one than was asked for: read from the start instead.
    whole = Request(request.what, file.url, headers, frozenset({200}), authorized=file.needs_token)
    return service.send(whole, lambda response: response), offset


def _whole_slices(waiting: bytearray, slice_lines: int) -> Iterator[bytes]:
    """Takes full slices from the front of `waiting`."""
    while waiting.count(b"\n") >= slice_lines or (len(waiting) >= _SLICE_BYTES and b"\n" in waiting):
        end, lines = 0, 0
        while lines < slice_lines and end < _SLICE_BYTES:
            following = waiting.find(b"\n", end)
            if following < 0:
                break
            end, lines = following + 1, lines + 1
        yield bytes(waiting[:end])
        del waiting[:end]


def _rest(waiting: bytearray, slice_lines: int) -> Iterator[bytes]:
    yield from _whole_slices(waiting, slice_lines)
    if not waiting:
        return
    last = bytes(waiting[waiting.rfind(b"\n") + 1 :])
    if last.strip():
        try:
            orjson.loads(last)
        except ValueError:
            whole = bytes(waiting[: len(waiting) - len(last)])
            if whole:
                yield whole
            raise Incomplete from None
    yield bytes(waiting)
