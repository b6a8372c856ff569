"""One page of a search, as entries ready to be joined into a searchset Bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

from exchange.repository.reading.cursor import read_cursor, write_cursor
from exchange.repository.reading.query import WHOLE, Form, Query
from exchange.repository.reading.reader import Reader, terms
from exchange.repository.reading.sorting import write
from exchange.repository.reading.subset import subset
from exchange.repository.reading.view import Served

Mode = Literal["match", "include"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`full_url` is absolute; `body` is the resource's JSON; `about`: to whom it is accounted.

    `rendition`: which form of the record it is, 0 the whole one.
    """

    mode: Mode
    full_url: str
    body: bytes
    about: str | None
    version: str
    updated: datetime
    rendition: int


@dataclass(frozen=True, slots=True)
class Page:
    """`total` is None when it was not asked for and not known anyway; `next` is the URL of the next page.

    `unknown` names parameters that this server does not serve and did not apply; `patients` are those
    the entries are about: golden ids, or a record's own word where the viewer sees no such Patient;
    `people` says why what is about each is shown.
    """

    entries: tuple[Entry, ...]
    total: int | None
    next: str | None
    unknown: tuple[str, ...]
    patients: tuple[str, ...]
    because: tuple[str, ...]
    obligations: tuple[str, ...]
    scopes: tuple[Mapping[str, Any], ...] = ()
    people: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """What a page says apart from its entries; see Page."""

    total: int | None = None
    next: str | None = None
    unknown: tuple[str, ...] = ()


def make_page(
    reader: Reader,
    base_url: str,
    served: Sequence[tuple[Mode, Served]],
    around: Around,
    form: Form = WHOLE,
) -> Page:
    """Gathers what is shown with whom it is about and why; `form`: how much of each resource is wanted."""
    why = terms(reader, [(resource.about, resource.classes) for _, resource in served])
    return Page(
        entries=tuple(
            Entry(
                mode=mode,
                full_url=f"{base_url}/{r.type}/{r.id}",
                body=subset(r.body, form),
                about=r.about,
                version=r.version,
                updated=r.updated,
                rendition=r.rendition,
            )
            for mode, r in served
        ),
        total=around.total,
        next=around.next,
        unknown=around.unknown,
        patients=tuple(sorted({r.about for _, r in served if r.about})),
        because=why.because,
        obligations=why.obligations,
        scopes=why.scopes,
        people=why.people,
    )


def empty_page(query: Query, total: int | None) -> Page:
    """A page that shows nothing but how many there are."""
    return Page((), total, None, query.unknown, (), (), ())


def next_page(base_url: str, path: str, asked: Iterable[tuple[str, str]], cursor: str) -> str:
    """URL of the page after: what was asked, with the cursor."""
    return f"{base_url}/{path}?{urlencode([*asked, ('_cursor', cursor)])}"


def next_after(reader: Reader, query: Query, position: Sequence[Any], base_url: str, key: bytes) -> str:
    """URL of the page that begins after the values of a row by which the search is sorted."""
    cursor = write_cursor([write(value) for value in position], reader.viewer, _bound(query), key)
    return next_page(base_url, query.path, query.asked, cursor)


def position_of(reader: Reader, query: Query, key: bytes) -> list[str]:
    """Where the page before ended, as the cursor holds it; raises CursorRefused."""
    return read_cursor(query.cursor or "", reader.viewer, _bound(query), key)


def _bound(query: Query) -> list[object]:
    return [query.path, *query.asked]


def searchset(page: Page, self_url: str) -> bytes:
    """The Bundle of a page, its entries joined as they are. https://hl7.org/fhir/R4/bundle.html"""
    links = [{"relation": "self", "url": self_url}]
    if page.next:
        links.append({"relation": "next", "url": page.next})
    head = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if page.total is not None:
        head["total"] = page.total  # type: ignore[assignment]
    entries = b",".join(
        b'{"fullUrl":'
        + orjson.dumps(e.full_url)
        + b',"resource":'
        + e.body
        + b',"search":{"mode":"'
        + e.mode.encode()
        + b'"}}'
        for e in page.entries
    )
    start = orjson.dumps(head)[:-1]
    return start + (b',"entry":[' + entries + b"]}" if entries else b"}")
