"""Random requests over every exit of the API, with values that occur in records seen and hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

from exchange.model.records import Resource
from exchange.repository import parameters
from exchange.repository.reading.askable import askable
from exchange.repository.reading.conditions import MODIFIERS
from exchange.repository.reading.query import PATIENT_PARAMETERS

Pair = tuple[str, str]

_PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_ELEMENTS = ("id", "status", "code", "subject", "name", "identifier", "meta", "text")
_PLAIN = frozenset({"_count", "_total", "_summary", "_elements", "_include", "_revinclude", "_sort", "_type"})
_NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a client would send it; `path` is below the base, `pages` how many are followed.

    The parameters of a POST are its form.
    """

    method: str
    path: str
    parameters: tuple[Pair, ...] = ()
    headers: tuple[Pair, ...] = ()
    pages: int = 1


@dataclass(frozen=True, slots=True)
class Material:
    """What may be asked for: values by (type, parameter), ids by type, instants of changes."""

    values: Mapping[Pair, tuple[str, ...]]
    ids: Mapping[str, tuple[str, ...]]
    instants: tuple[datetime, ...]


def material_of(resources: Iterable[Resource], ids: Iterable[Pair], instants: Iterable[datetime]) -> Material:
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
    )


def random_request(random: Random, material: Material) -> Request:
    """One request: mostly searches, then reads, $everything, and what has to be refused."""
    (way,) = random.choices((_search, _read, _everything, _refused), (60, 20, 12, 8))
    return way(random, material)


def told(request: Request, values: bool = False) -> str:
    """The request in words; what stands for a patient only with `values`.

    >>> told(Request("GET", "Patient", (("family", "Roe"), ("_count", "2")), pages=2))
    'GET Patient?family=…&_count=2 (2 pages)'
    """
    path = request.path if values else "/".join(map(_open_part, request.path.split("/")))
    query = "&".join(f"{n}={v if values or n in _PLAIN else '…'}" for n, v in request.parameters)
    headers = "".join(f" {name}: {value}" for name, value in request.headers)
    pages = f" ({request.pages} pages)" if request.pages > 1 else ""
    return f"{request.method} {path}{'?' if query else ''}{query}{headers}{pages}"


def _open_part(part: str) -> str:
    return part if part.startswith(("_", "$")) or part.isalpha() else "…"


def simpler(request: Request) -> Iterable[Request]:
    """Requests with one thing less, the greatest step first."""
    method, path, given, headers, pages = (
        request.method, request.path, request.parameters, request.headers, request.pages,
    )  # fmt: skip
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


def _chance(random: Random, share: float) -> bool:
    return random.random() < share


def _type(random: Random, material: Material) -> str:
    known = [kind for kind in material.ids if kind in parameters()]
    return random.choice(known if known and _chance(random, 0.9) else sorted(parameters()))


def _id(random: Random, material: Material, kind: str) -> str:
    ids = material.ids.get(kind, ())
    return random.choice(ids) if ids and _chance(random, 0.97) else _NOBODY


def _instant(random: Random, material: Material) -> str:
    found = random.choice(material.instants).isoformat() if material.instants else "2026-01-01T00:00:00+00:00"
    return random.choice((found, found[:10], found[:7]))


def _search(random: Random, material: Material) -> Request:
    kind = _type(random, material)
    given = [_criterion(random, material, kind) for _ in range(random.choice((0, 0, 1, 1, 2)))]
    if _chance(random, 0.4):
        name = random.choice((*PATIENT_PARAMETERS[:2], "patient:missing"))
        patient = (
            random.choice(("true", "false")) if name.endswith("missing") else _id(random, material, "Patient")
        )
        given.append((name, patient))
    if _chance(random, 0.1):
        given.append(("_id", ",".join(_id(random, material, kind) for _ in range(2))))
    if _chance(random, 0.1):
        given.append(("_lastUpdated", random.choice(_PREFIXES) + _instant(random, material)))
    given += _shape(random, kind)
    random.shuffle(given)
    headers = (("Prefer", "handling=lenient"),) if _chance(random, 0.9) else ()
    pages = random.choice((1, 1, 2, 4))
    if _chance(random, 0.2):
        return Request("POST", f"{kind}/_search", tuple(given), headers, pages)
    return Request("GET", kind, tuple(given), headers, pages)


def _criterion(random: Random, material: Material, kind: str) -> Pair:
    known = sorted(name for of, name in material.values if of == kind)
    if not known or _chance(random, 0.05):
        known = sorted(parameters()[kind])
    name = random.choice(known)
    parameter = parameters()[kind][name]
    modifier = random.choice(("", "", *sorted(MODIFIERS[parameter.kind])))
    if modifier == "missing":
        return f"{name}:missing", random.choice(("true", "false"))
    values = material.values.get((kind, name), ("1",))
    found = [random.choice(values) for _ in range(random.choice((1, 1, 1, 2)))]
    if parameter.kind in ("date", "quantity"):
        found = [random.choice(_PREFIXES) + value for value in found]
    return (f"{name}:{modifier}" if modifier else name), ",".join(found)


def _shape(random: Random, kind: str) -> list[Pair]:
    """What says how the answer is to look: order, size, totals, parts, what goes along."""
    dates = [name for name, found in parameters()[kind].items() if found.kind == "date"]
    sort = random.choice(("_id", "_lastUpdated", *dates))
    drawn = (
        (0.4, "_sort", random.choice(("", "-")) + sort),
        (0.6, "_count", random.choice(("0", "1", "2", "3", "5", "20"))),
        (0.3, "_total", random.choice(("accurate", "none"))),
        (0.2, "_summary", random.choice(("count", "data", "text", "false"))),
        (0.1, "_elements", ",".join(random.sample(_ELEMENTS, 2))),
        (0.25, "_include", _reference_of(random, kind)),
        (0.25, "_revinclude", _reference_of(random, random.choice(sorted(parameters())))),
        (0.1, "_revinclude", "Provenance:target"),
    )
    return [(name, value) for share, name, value in drawn if _chance(random, share)]


def _reference_of(random: Random, kind: str) -> str:
    names = [name for name, found in parameters()[kind].items() if found.kind == "reference"]
    return f"{kind}:{random.choice((*names, 'patient', 'subject'))}"


def _read(random: Random, material: Material) -> Request:
    kind = random.choice((_type(random, material), _type(random, material), "Patient", "Provenance"))
    about = _type(random, material) if kind == "Provenance" else kind
    headers: list[Pair] = []
    if _chance(random, 0.3):
        tags = ('W/"1"', 'W/"2"', '"1", W/"3"', "*", "x")
        headers.append(("If-None-Match", random.choice(tags)))
    if _chance(random, 0.2) and material.instants:
        since = random.choice(material.instants)
        headers.append(("If-Modified-Since", since.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    method = "HEAD" if _chance(random, 0.1) else "GET"
    return Request(method, f"{kind}/{_id(random, material, about)}", (), tuple(headers))


def _everything(random: Random, material: Material) -> Request:
    drawn = (
        (0.7, "_count", random.choice(("1", "3", "10", "100"))),
        (0.3, "_type", ",".join(_type(random, material) for _ in range(2))),
        (0.2, "_since", _instant(random, material)),
        (0.2, "start", _instant(random, material)[:10]),
        (0.2, "end", _instant(random, material)[:10]),
    )
    given = tuple((name, value) for share, name, value in drawn if _chance(random, share))
    path = f"Patient/{_id(random, material, 'Patient')}/$everything"
    return Request("GET", path, given, (), random.choice((1, 2, 4)))


def _refused(random: Random, material: Material) -> Request:
    """What is not served, or wrong: the refusal must not know either what is hidden."""
    kind = _type(random, material)
    key, patient = _id(random, material, kind), _id(random, material, "Patient")
    strict = (("Prefer", "handling=strict"),) if _chance(random, 0.5) else (("Prefer", "handling=lenient"),)
    return random.choice(
        (
            Request("GET", f"{kind}/{key}/_history"),
            Request("GET", f"{kind}/{key}/_history/1"),
            Request("GET", f"{kind}/{key}/$everything"),
            Request("GET", f"Patient/{patient}/$match"),
            Request("DELETE", f"{kind}/{key}"),
            Request("PUT", f"{kind}/{key}"),
            Request("GET", f"Nothing/{key}"),
            Request("GET", "metadata"),
            Request("GET", f"{kind}/{key}", (("_format", "xml"),)),
            Request("GET", kind, (("_cursor", "AAAAAAAAAAAAAAAAAAAAAAAA"),)),
            Request("GET", kind, (("_sort", "nothing"),)),
            Request("GET", kind, (("_count", "-1"),)),
            Request("GET", kind, (("_has:Observation:patient:_id", key),), strict),
            Request("GET", kind, (("subject:Patient._id", patient),), strict),
            Request("GET", kind, (("nothing", key),), strict),
            Request("GET", f"Patient/{patient}/$everything", (("_count", "0"),)),
        )
    )
