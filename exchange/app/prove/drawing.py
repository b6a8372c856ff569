"""Random requests over every exit of the API, with values that occur in records seen and hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import urlencode

from exchange.app.prove.asking import ASYNCHRONOUS, Material, Pair, Request
from exchange.app.prove.searching import (
    chance,
    criterion,
    known_type,
    search,
    some_id,
    some_instant,
    some_moment,
)


def random_request(random: Random, material: Material) -> Request:
    """One request: mostly searches, then reads, histories, operations, exports, what has to be refused."""
    (way,) = random.choices(tuple(_WAYS), tuple(_WAYS.values()))
    return way(random, material)


def _read(random: Random, material: Material) -> Request:
    kind = random.choice(
        (known_type(random, material), known_type(random, material), "Patient", "Provenance")
    )
    about = known_type(random, material) if kind == "Provenance" else kind
    headers: list[Pair] = []
    if chance(random, 0.3):
        named = _some_version(random, material)
        tags = (f'W/"{named}"', 'W/"2"', f'"1", W/"{named}"', "*", "x")
        headers.append(("If-None-Match", random.choice(tags)))
    if chance(random, 0.2) and material.instants:
        since = random.choice(material.instants)
        headers.append(("If-Modified-Since", since.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    method = "HEAD" if chance(random, 0.1) else "GET"
    return Request(method, f"{kind}/{some_id(random, material, about)}", (), tuple(headers))


def _versions(random: Random, material: Material) -> Request:
    """A history, or one of its versions."""
    kind = random.choice((known_type(random, material), "Patient"))
    path = f"{kind}/{some_id(random, material, kind)}/_history"
    if chance(random, 0.3):
        known = (kind, some_id(random, material, kind), random.choice(("1", "2", "3", "none")))
        if material.versions and chance(random, 0.7):
            known = random.choice(material.versions)
        return Request("GET", "{}/{}/_history/{}".format(*known))
    drawn = (
        (0.5, "_count", random.choice(("1", "2", "20"))),
        (0.3, "_since", random.choice(material.instants).isoformat() if material.instants else "2026"),
    )
    given = tuple((name, value) for share, name, value in drawn if chance(random, share))
    return Request("GET", random.choice((path, f"{kind}/_history")), given, (), random.choice((1, 2, 4)))


def _some_version(random: Random, material: Material) -> str:
    return random.choice(material.versions)[2] if material.versions else "1"


def _operation(random: Random, material: Material) -> Request:
    """An operation about one person, by GET."""
    patient = some_id(random, material, "Patient")
    if chance(random, 0.3):
        return _match(random, material)
    if chance(random, 0.4):
        return Request("GET", f"Patient/{patient}/$summary")
    asked = ("patient", patient)
    if chance(random, 0.6):
        drawn = (
            (0.5, "max", random.choice(("1", "2", "9"))),
            (0.3, *criterion(random, material, "Observation")),
        )
        given = tuple((name, value) for share, name, value in drawn if chance(random, share))
        return Request("GET", "Observation/$lastn", (asked, *given))
    start = ("start", some_instant(random, material)[:10])
    return Request("GET", "DocumentReference/$docref", (asked, start) if chance(random, 0.5) else (asked,))


def _match(random: Random, material: Material) -> Request:
    """Somebody described by what records say, of one person or of several."""

    def said(name: str, otherwise: str) -> str:
        return random.choice(material.values.get(("Patient", name), (otherwise,)))

    described = {
        "resourceType": "Patient",
        "name": [{"family": said("family", "Roe"), "given": [said("given", "Ann")]}],
        "birthDate": said("birthdate", "1980-01-01")[:10],
        "gender": said("gender", "unknown"),
        **(
            {"telecom": [{"system": "phone", "value": said("phone", "555-0100")}]}
            if chance(random, 0.5)
            else {}
        ),
    }
    certain = {"name": "onlyCertainMatches", "valueBoolean": chance(random, 0.3)}
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": described}, certain],
    }
    return Request("POST", "Patient/$match", body=json.dumps(asked))


def _everything(random: Random, material: Material) -> Request:
    """All about one person: the operation, or the whole compartment."""
    drawn = (
        (0.7, "_count", random.choice(("1", "3", "10", "100"))),
        (0.3, "_type", ",".join(known_type(random, material) for _ in range(2))),
        (0.2, "_since", some_instant(random, material)),
        (0.2, "start", some_instant(random, material)[:10]),
        (0.2, "end", some_instant(random, material)[:10]),
    )
    given = tuple((name, value) for share, name, value in drawn if chance(random, share))
    method, part = random.choice((("GET", "$everything"), ("GET", "*"), ("POST", "_search")))
    path = f"Patient/{some_id(random, material, 'Patient')}/{part}"
    lenient = (("Prefer", "handling=lenient"),)
    return Request(method, path, given, lenient, random.choice((1, 2, 4)))


def _refused(random: Random, material: Material) -> Request:
    """What is not served, or wrong: the refusal must not know either what is hidden."""
    kind = known_type(random, material)
    key, patient = some_id(random, material, kind), some_id(random, material, "Patient")
    strict = (("Prefer", "handling=strict"),) if chance(random, 0.5) else (("Prefer", "handling=lenient"),)
    return random.choice(
        (
            Request("GET", f"{kind}/{key}/_history", (("_since", "today"),)),
            Request("GET", f"{kind}/{key}/_history/1/2"),
            Request("DELETE", f"{kind}/{key}/_history"),
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
            Request("GET", f"Patient/{patient}/*", (("nothing", key),), strict),
            Request("GET", "$export", (("_type", kind),)),
            Request("GET", "$export", (("_typeFilter", f"{kind}?nothing={key}"),), (ASYNCHRONOUS,)),
            Request("GET", f"$export-status/{key}"),
            Request("GET", f"$export-file/{key}/0.ndjson"),
        )
    )


def _export(random: Random, material: Material) -> Request:
    """Of the system, of people or of a panel, with the status, the manifest and every file that follow."""
    kinds = sorted({known_type(random, material) for _ in range(2)})
    name, value = criterion(random, material, kinds[0])
    people = [("patient", some_id(random, material, "Patient")) for _ in range(2)]
    drawn = (
        (0.8, "_type", ",".join(kinds)),
        (0.3, "_typeFilter", f"{kinds[0]}?{urlencode([(name, value)])}"),
        (0.3, "_since", some_moment(random, material)),
    )
    given = tuple((name, value) for share, name, value in drawn if chance(random, share))
    path, asked = random.choice(
        (
            ("$export", given),
            ("Patient/$export", given),
            ("Patient/$export", (*given, *people)),
            (f"Group/{some_id(random, material, 'Group')}/$export", given),
        )
    )
    return Request("POST" if chance(random, 0.2) else "GET", path, asked, (ASYNCHRONOUS,))


_WAYS: Mapping[Callable[[Random, Material], Request], int] = {
    search: 50,
    _read: 15,
    _versions: 11,
    _operation: 8,
    _everything: 9,
    _refused: 7,
    _export: 4,
}
