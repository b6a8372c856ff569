"""FHIR Bulk Data export, resumable at every slice (https://hl7.org/fhir/uv/bulkdata/export.html).

The cursor holds `since` (the transaction time of the last complete export, the server's own) and, while
an export is under way, its status address, its files and how far into them we are. An export the server
has forgotten is begun anew from `since`: then records come twice, and none is missed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import orjson

from exchange.connectors.bulk_file import BulkFile, ExportLost, count_lines, read_slices
from exchange.connectors.fhir_search import feeds_by_type
from exchange.connectors.http import Answer, Incomplete, Request, Service, follow, open_service, retry_after
from exchange.connectors.options import FhirBulkOptions
from exchange.model.errors import ExchangeError, PartnerRefused, PartnerUnavailable
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

log = logging.getLogger(__name__)
Cursor = Mapping[str, Any]
Pulled = Iterator[Document | Checkpoint]

_KICK_OFF = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
_STATUS = {"Accept": "application/json"}
_FIRST_WAIT_SECONDS = 0.5
_EXPORTS_PER_PULL = 2


def connect_bulk(partner: Partner, options: FhirBulkOptions) -> Callable[[Cursor | None], Pulled]:
    """The connector; raises ContentError unless the feeds' `match` names resource types or `*`."""
    feeds = feeds_by_type(partner)
    return lambda cursor: _pull(partner.code, feeds, options, cursor or {})


def _pull(partner: str, feeds: Mapping[str, str], options: FhirBulkOptions, cursor: Cursor) -> Pulled:
    with open_service(partner, options) as service:
        for _ in range(_EXPORTS_PER_PULL):
            try:
                yield from _export(service, feeds, cursor)
            except ExportLost as reason:
                log.warning("%s: the export is lost (%s); it is begun anew", partner, reason)
                cursor = _after(cursor.get("since"))
                yield Checkpoint(dict(cursor))
            else:
                return
    raise PartnerUnavailable(f"{partner}: exports are lost before they are read, {_EXPORTS_PER_PULL} times")


def _export(service: Service[FhirBulkOptions], feeds: Mapping[str, str], cursor: Cursor) -> Pulled:
    since, export = cursor.get("since"), cursor.get("export")
    if export is None:
        export = {"status": _kick_off(service, feeds, since)}
        yield Checkpoint({"since": since, "export": export})
    if "files" not in export:
        export = {**export, **_await_manifest(service, export["status"])}
        yield Checkpoint({"since": since, "export": export})
    for number in range(export.get("file", 0), len(export["files"])):
        at = {**export, "file": number, "offset": 0, "lines": 0} if number != export.get("file") else export
        for item in _read_file(service, feeds, at):
            yield Checkpoint({"since": since, "export": item}) if isinstance(item, dict) else item
    yield Checkpoint(_after(export["time"]))
    _forget(service, export["status"])


def _after(since: str | None) -> dict[str, Any]:
    return {"since": since} if since else {}


def _kick_off(service: Service[FhirBulkOptions], feeds: Mapping[str, str], since: str | None) -> str:
    base = service.options.url.rstrip("/")
    query = {"_outputFormat": "application/fhir+ndjson"}
    if "*" not in feeds:
        query["_type"] = ",".join(sorted(feeds))
    if since:
        query["_since"] = since
    level = "" if service.options.level == "system" else f"/{service.options.level}"
    url = f"{base}{level}/$export?{urlencode(query)}"

    def check(answer: Answer) -> str:
        place = answer.headers.get("content-location")
        if not place:
            raise PartnerRefused(f"{service.partner}: $export is accepted without a Content-Location")
        return follow(service, url, place, service.options.file_hosts)

    return service.read(Request("$export", url, _KICK_OFF, frozenset({202})), check)


def _await_manifest(service: Service[FhirBulkOptions], status: str) -> dict[str, Any]:
    """Asks as often as the server likes, until the files are ready."""
    request = Request("the export's status", status, _STATUS, frozenset({200, 202, 404, 410, 500}))
    deadline = time.monotonic() + service.options.longest_export_minutes * 60
    wait = _FIRST_WAIT_SECONDS
    while time.monotonic() < deadline:
        answer, manifest = service.read(request, lambda answer: (answer, _manifest(service, status, answer)))
        if manifest is not None:
            return manifest
        if answer.status != 202:
            raise ExportLost(f"its status is answered {answer.status}")
        asked = retry_after(answer.headers)
        wait = min(wait * 2, service.options.longest_wait_seconds)
        time.sleep(wait if asked is None else min(max(asked, 0.02), service.options.longest_wait_seconds))
    raise PartnerUnavailable(
        f"{service.partner}: the export is not ready after"
        f" {service.options.longest_export_minutes:g} minutes; the next pull goes on waiting for it"
    )


def _manifest(service: Service[FhirBulkOptions], status: str, answer: Answer) -> dict[str, Any] | None:
    """The state of an export whose files are ready; None when they are not."""
    if answer.status != 200:
        return None
    try:
        manifest = orjson.loads(answer.body)
        files = [
            {
                "url": follow(service, status, file["url"], service.options.file_hosts),
                "type": str(file.get("type", "")),
                "deleted": kind == "deleted",
                "count": file.get("count"),
            }
            for kind in ("output", "deleted")
            for file in manifest.get(kind, ())
        ]
        errors = len(manifest.get("error", ()))
        moment, token = str(manifest["transactionTime"]), bool(manifest.get("requiresAccessToken", True))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Incomplete("answered with an incomplete manifest") from None
    if errors:
        log.warning("%s: the export reports %d files of errors", service.partner, errors)
    return {"time": moment, "token": token, "files": files, "file": 0, "offset": 0, "lines": 0}


def _read_file(
    service: Service[FhirBulkOptions], feeds: Mapping[str, str], export: Mapping[str, Any]
) -> Iterator[Document | dict[str, Any]]:
    """Documents of one file, each followed by the state of the export after it."""
    declared = export["files"][export["file"]]
    feed = next(iter(feeds.values())) if declared["deleted"] else _feed(feeds, declared["type"])
    if feed is None:
        log.warning("%s: the export holds a type nobody asked for; it is left", service.partner)
        return
    file = BulkFile(declared["url"], export["token"], declared["count"])
    kind = "deleted" if declared["deleted"] else declared["type"]
    for piece in read_slices(service, file, export["offset"], export["lines"]):
        first = piece.lines_after - count_lines(piece.payload) + 1
        name = f"{kind} file {export['file'] + 1} lines {first}-{piece.lines_after}"
        yield Document(feed, name, piece.payload, deleted=declared["deleted"])
        yield {**export, "offset": piece.offset_after, "lines": piece.lines_after}


def _feed(feeds: Mapping[str, str], name: str) -> str | None:
    return feeds.get(name) or feeds.get("*")


def _forget(service: Service[FhirBulkOptions], status: str) -> None:
    """Tells the server that it need not keep the files; it may well have gone already."""
    request = Request("the export's end", status, _STATUS, frozenset({200, 202, 204, 404, 410}), "DELETE")
    with suppress(ExchangeError, Incomplete):
        service.read(request, lambda answer: answer)
