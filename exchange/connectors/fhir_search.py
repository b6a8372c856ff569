"""FHIR R4 search: what changed since the last pull, page by page (https://hl7.org/fhir/R4/http.html#search).

The cursor holds, per resource type, the server's clock when the last complete pull of it began, less an
overlap; what was already seen within the overlap is remembered by hash, so that it is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from exchange.connectors.http import Answer, Incomplete, Request, Service, follow, open_service, server_time
from exchange.connectors.options import FhirSearchOptions
from exchange.model.errors import ContentError, PartnerRefused, PartnerUnavailable
from exchange.model.fhir_types import type_names
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

Cursor = Mapping[str, Any]
_HEADERS = {"Accept": "application/fhir+json"}
_GONE = frozenset({400, 404, 410})
_MOST_REMEMBERED = 2000
_MOST_RESTARTS = 2


@dataclass(frozen=True, slots=True)
class _Page:
    """`entries` pairs what identifies an entry's version with the server's time of its last change."""

    body: bytes
    entries: tuple[tuple[str, str], ...]
    next: str | None
    time: datetime | None


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where a type's paging stands: `next` is None on its first page."""

    next: str | None = None
    number: int = 1
    started: str | None = None
    recent: tuple[str, ...] = ()


def connect_search(
    partner: Partner, options: FhirSearchOptions
) -> Callable[[Cursor | None], Iterator[Document | Checkpoint]]:
    """The connector; raises ContentError unless the feeds' `match` names resource types."""
    feeds = feeds_by_type(partner)
    if "*" in feeds:
        raise ContentError(
            "name the resource types to search for, separated by commas",
            file=f"mappings/{partner.code}/partner.yaml",
            field=f"feeds.{feeds['*']}.match",
        )
    return lambda cursor: _pull(partner.code, feeds, options, cursor or {})


def feeds_by_type(partner: Partner) -> dict[str, str]:
    """Resource type → feed, from the feeds' `match`; `*` stands for all types."""
    found: dict[str, str] = {}
    for feed, declared in partner.feeds.items():
        for name in (part.strip() for part in declared.match.split(",")):
            known = type_names("resource")
            if name in found or name not in known | {"*"}:
                raise ContentError(
                    f"`{name}` appears twice" if name in found else "names no FHIR resource type",
                    file=f"mappings/{partner.code}/partner.yaml",
                    field=f"feeds.{feed}.match",
                    valid=() if name in found else get_close_matches(name, known, cutoff=0.5),
                )
            found[name] = feed
    return found


def _pull(
    partner: str, feeds: Mapping[str, str], options: FhirSearchOptions, cursor: Cursor
) -> Iterator[Document | Checkpoint]:
    state = {"since": dict(cursor.get("since", {})), "seen": dict(cursor.get("seen", {}))}
    types, at = list(feeds), cursor.get("at")
    if at and at["type"] in feeds:
        types = types[types.index(at["type"]) :]
    with open_service(partner, options) as service:
        for name in types:
            progress = _Progress()
            if at and at["type"] == name:
                progress = _Progress(at["next"], at["number"], at["started"], tuple(at["recent"]))
            yield from _pull_type(service, (feeds[name], name), state, progress)
    yield Checkpoint({**state})


def _pull_type(
    service: Service[FhirSearchOptions],
    feed_and_type: tuple[str, str],
    state: dict[str, Any],
    progress: _Progress,
) -> Iterator[Document | Checkpoint]:
    """Pages of one type; moves `state` on once the last page has been yielded."""
    feed, name = feed_and_type
    restarts = 0
    seen, visited = frozenset(state["seen"].get(name, ())), set[str]()
    while True:
        page = _read_page(service, name, state["since"].get(name), progress)
        if page is None:
            progress, restarts = _Progress(), restarts + 1
            if restarts > _MOST_RESTARTS:
                raise PartnerUnavailable(f"{service.partner}: the search for {name} loses its own pages")
            continue
        progress = _moved_on(progress, page, service.options.overlap_seconds)
        if any(entry not in seen for entry, _ in page.entries):
            yield Document(feed, f"{name} page {progress.number - 1}", page.body)
        if page.next is None:
            break
        if page.next in visited:
            raise PartnerRefused(f"{service.partner}: the search for {name} pages in a circle")
        visited.add(page.next)
        yield Checkpoint({**state, "at": {"type": name, **_progress_json(progress)}})
    if progress.started:
        state["since"] = {**state["since"], name: progress.started}
    state["seen"] = {**state["seen"], name: list(progress.recent)}


def _progress_json(progress: _Progress) -> dict[str, Any]:
    return {
        "next": progress.next,
        "number": progress.number,
        "started": progress.started,
        "recent": list(progress.recent),
    }


def _moved_on(progress: _Progress, page: _Page, overlap_seconds: int) -> _Progress:
    started = progress.started
    if started is None and page.time is not None:
        # The server's clock when the first page was asked for: what changes later comes next time.
        started = _instant(page.time - timedelta(seconds=overlap_seconds))
    recent = tuple(entry for entry, changed in page.entries if started and _not_before(changed, started))
    return _Progress(page.next, progress.number + 1, started, (*progress.recent, *recent)[-_MOST_REMEMBERED:])


def _read_page(
    service: Service[FhirSearchOptions], name: str, since: str | None, progress: _Progress
) -> _Page | None:
    """None when the server has forgotten the page we stopped at."""
    options = service.options
    base = options.url.rstrip("/")
    query = {"_sort": "_lastUpdated", "_count": str(options.page_size)}
    if since:
        query["_lastUpdated"] = f"ge{since}"
    url = progress.next or f"{base}/{name}?{urlencode(query)}"
    accepts = {200, *_GONE} if progress.next else {200}
    request = Request(f"the search for {name}", follow(service, base, url), _HEADERS, accepts)

    def check(answer: Answer) -> _Page | None:
        return None if answer.status in _GONE else _page(service, request.url, answer)

    return service.read(request, check)


def _page(service: Service[FhirSearchOptions], url: str, answer: Answer) -> _Page:
    try:
        bundle = orjson.loads(answer.body)
        if bundle["resourceType"] != "Bundle":
            raise PartnerRefused(f"{service.partner}: a search is answered by something other than a Bundle")
        entries = tuple(
            _entry(entry["resource"])
            for entry in bundle.get("entry", ())
            if entry.get("search", {}).get("mode") != "outcome"
        )
        links = [link["url"] for link in bundle.get("link", ()) if link.get("relation") == "next"]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Incomplete("answered with an incomplete page") from None
    following = follow(service, url, links[0]) if links else None
    return _Page(answer.body, entries, following, server_time(answer.headers))


def _entry(resource: Mapping[str, Any]) -> tuple[str, str]:
    meta = resource.get("meta", {})
    changed = str(meta.get("lastUpdated", ""))
    version = f"{resource['resourceType']}/{resource.get('id')}/{meta.get('versionId')}/{changed}"
    return sha256(version.encode()).hexdigest()[:16], changed


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_before(changed: str, started: str) -> bool:
    try:
        return datetime.fromisoformat(changed) >= datetime.fromisoformat(started)
    except (ValueError, TypeError):
        return False
