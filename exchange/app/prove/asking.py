"""Requests to the API, what they may ask for, and how one is made shorter while it still shows a leak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.model.records import Resource
from exchange.repository.reading.askable import askable

Pair = tuple[str, str]
Version = tuple[str, str, str]

ASYNCHRONOUS: Pair = ("Prefer", "respond-async")
MADE = "{made}"
NOBODY = "00000000-0000-4000-8000-000000000000"

_PLAIN = frozenset(
    {"_count", "_total", "_summary", "_elements", "_sort", "_type", "max"}
    | {"_include", "_include:iterate", "_revinclude", "_revinclude:iterate"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a client would send it; `path` is below the base, `pages` how many are followed.

    The parameters of a POST are its form, unless it has a JSON `body`. `then`: what is asked after it, MADE
    in a path standing for the name that the server gave to what the first request made.
    """

    method: str
    path: str
    parameters: tuple[Pair, ...] = ()
    headers: tuple[Pair, ...] = ()
    pages: int = 1
    body: str = ""
    then: tuple[Request, ...] = ()

    @property
    def asynchronous(self) -> bool:
        """Whether it begins a bulk export, all of whose files belong to the answer."""
        return self.path.endswith("$export") and ASYNCHRONOUS in self.headers


@dataclass(frozen=True, slots=True)
class Material:
    """What may be asked for: values by (type, parameter), ids by type, instants of changes.

    `versions`: type, id and name of each.
    """

    values: Mapping[Pair, tuple[str, ...]]
    ids: Mapping[str, tuple[str, ...]]
    instants: tuple[datetime, ...]
    versions: tuple[Version, ...] = ()


def material_of(
    resources: Iterable[Resource],
    ids: Iterable[Pair],
    instants: Iterable[datetime],
    versions: Iterable[Version] = (),
) -> Material:
    """Sorted, so that a seed always gives the same requests; `ids` are further pairs of type and id."""
    values: dict[Pair, set[str]] = {}
    known: dict[str, set[str]] = {}
    for resource in resources:
        kind = resource["resourceType"]
        known.setdefault(kind, set()).add(resource["id"])
        for name, text in askable(resource):
            values.setdefault((kind, name), set()).add(text)
    for kind, key in ids:
        known.setdefault(kind, set()).add(key)
    return Material(
        {key: tuple(sorted(found)) for key, found in sorted(values.items())},
        {kind: tuple(sorted(found)) for kind, found in sorted(known.items())},
        tuple(sorted(set(instants))),
        tuple(sorted(set(versions))),
    )


def told(request: Request, values: bool = False) -> str:
    """The request in words; what stands for a patient only with `values`.

    >>> told(Request("GET", "Patient", (("family", "Roe"), ("_count", "2")), pages=2))
    'GET Patient?family=…&_count=2 (2 pages)'
    """
    path = request.path if values else "/".join(map(_open_part, request.path.split("/")))
    query = "&".join(f"{n}={v if values or n in _PLAIN else '…'}" for n, v in request.parameters)
    headers = "".join(f" {name}: {value}" for name, value in request.headers)
    pages = f" ({request.pages} pages)" if request.pages > 1 else ""
    body = f" {request.body if values else 'with a body'}" if request.body else ""
    first = f"{request.method} {path}{'?' if query else ''}{query}{headers}{pages}{body}"
    return "; then ".join((first, *(told(one, values) for one in request.then)))


def _open_part(part: str) -> str:
    return part if part.startswith(("_", "$")) or part.replace("_", "").isalpha() or part == MADE else "…"


def simpler(request: Request) -> Iterable[Request]:
    """Requests with one thing less, the greatest step first."""
    method, path, given, headers, pages = (
        request.method, request.path, request.parameters, request.headers, request.pages,
    )  # fmt: skip
    for n in range(len(request.then)):
        yield replace(request, then=request.then[:n] + request.then[n + 1 :])
    if request.body or request.then:  # an operation with a body has nothing else
        return
    if pages > 1:
        yield from (Request(method, path, given, headers, fewer) for fewer in range(1, pages))
    if method == "POST" and path.endswith("/_search"):
        yield Request("GET", path.removesuffix("/_search"), given, (), pages)
    for n in range(len(headers)):
        yield Request(method, path, given, headers[:n] + headers[n + 1 :], pages)
    for n in range(len(given)):
        yield Request(method, path, given[:n] + given[n + 1 :], headers, pages)
    for n, (name, value) in enumerate(given):
        for part in value.split(",") if "," in value else ():
            yield Request(method, path, (*given[:n], (name, part), *given[n + 1 :]), headers, pages)


def shrink(request: Request, differs: Callable[[Request], bool]) -> Request:
    """The request with everything left out without which it still differs."""
    while found := next((smaller for smaller in simpler(request) if differs(smaller)), None):
        request = found
    return request
