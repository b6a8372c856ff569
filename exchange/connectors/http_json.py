"""Paged JSON over HTTP as directories of services offer it.

https://docs.openreferral.org/en/3.0/hsds/api_reference.html

Such directories rarely tell what changed, so every page is asked for and only those whose bytes
differ from last time are handed on; the cursor holds the pages' digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from exchange.connectors.http import Answer, Incomplete, Request, Service, open_service
from exchange.connectors.options import HttpJsonOptions
from exchange.model.errors import PartnerRefused
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

Pulled = Iterator[Document | Checkpoint]
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    is_empty: bool
    is_last: bool

    @property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()


def connect_json(partner: Partner, options: HttpJsonOptions) -> Callable[[Mapping[str, Any] | None], Pulled]:
    """The connector; a feed's `match` names the paths below `url`, separated by commas."""
    return lambda cursor: _pull(partner, options, cursor or {})


def _pull(partner: Partner, options: HttpJsonOptions, cursor: Mapping[str, Any]) -> Pulled:
    known: dict[str, list[str]] = dict(cursor.get("pages", {}))
    at = cursor.get("at")
    paths = [(feed, path) for feed, declared in partner.feeds.items() for path in _paths(declared.match)]
    if at and any(path == at["path"] for _, path in paths):
        paths = paths[[path for _, path in paths].index(at["path"]) :]
    with open_service(partner.code, options) as service:
        for feed, path in paths:
            read = list(at["read"]) if at and at["path"] == path else []
            for document, digest in _changed_pages(service, feed, path, (known.get(path, []), len(read))):
                read.append(digest)
                if document is not None:
                    yield document
                    yield Checkpoint({"pages": known, "at": {"path": path, "read": list(read)}})
            known = {**known, path: read}
    yield Checkpoint({"pages": known})


def _paths(match: str) -> list[str]:
    return [path.strip().strip("/") for path in match.split(",") if path.strip()]


def _changed_pages(
    service: Service[HttpJsonOptions], feed: str, path: str, position: tuple[list[str], int]
) -> Iterator[tuple[Document | None, str]]:
    """Every page after those read already, as a Document if it is not what was known."""
    known, already = position
    for number in range(already + 1, _MOST_PAGES):
        page = _page(service, path, number)
        is_new = number > len(known) or known[number - 1] != page.digest
        wanted = is_new and not page.is_empty
        yield (Document(feed, f"{path} page {number}", page.body) if wanted else None), page.digest
        if page.is_last:
            return
    raise PartnerRefused(f"{service.partner}: a list has more than {_MOST_PAGES} pages")


def _page(service: Service[HttpJsonOptions], path: str, number: int) -> _Page:
    options = service.options
    query = urlencode({"page": number, "per_page": options.page_size})
    url = f"{options.url.rstrip('/')}/{path}?{query}"

    def check(answer: Answer) -> _Page:
        try:
            parsed = orjson.loads(answer.body)
        except ValueError:
            raise Incomplete("answered with an incomplete page") from None
        if not isinstance(parsed, dict) or not isinstance(parsed.get("contents"), list):
            return _Page(answer.body, not parsed, True)
        contents, total = parsed["contents"], parsed.get("total_pages")
        last = number >= total if isinstance(total, int) else len(contents) < options.page_size
        return _Page(answer.body, not contents, last or not contents)

    return service.read(Request(f"the list `{path}`", url, {"Accept": "application/json"}), check)
