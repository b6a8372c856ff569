"""Random requests over every exit of the API, with values that occur in records seen and hidden."""

from __future__ import annotations

import json
from random import Random

from exchange.app.prove.asking import Material, Pair, Request
from exchange.repository import parameters
from exchange.repository.reading.conditions import MODIFIERS
from exchange.repository.reading.sorting import sortable
from exchange.repository.storage.parameters import Parameter

_PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_ELEMENTS = ("id", "status", "code", "subject", "name", "identifier", "meta", "text")
_NOBODY = "00000000-0000-4000-8000-000000000000"
_VALUE_SETS = ("administrative-gender", "observation-status", "nothing")


def random_request(random: Random, material: Material) -> Request:
    """One request: mostly searches, then reads, histories, operations, and what has to be refused."""
    (way,) = random.choices(
        (_search, _read, _versions, _operation, _everything, _refused), (50, 15, 11, 8, 9, 7)
    )
    return way(random, material)


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
    if _chance(random, 0.25):
        given.append(_chain(random, material, kind))
    if _chance(random, 0.2):
        given.append(_has(random, material, kind))
    if _chance(random, 0.4) and _subjects(kind):
        name = random.choice((*_subjects(kind), f"{_subjects(kind)[0]}:missing"))
        patient = (
            random.choice(("true", "false")) if name.endswith("missing") else _id(random, material, "Patient")
        )
        given.append((name, patient))
    if _chance(random, 0.1):
        given.append(("_id", ",".join(_id(random, material, kind) for _ in range(2))))
    if _chance(random, 0.1):
        given.append(("_lastUpdated", random.choice(_PREFIXES) + _instant(random, material)))
    given += _shape(random, material, kind)
    random.shuffle(given)
    headers = (("Prefer", "handling=lenient"),) if _chance(random, 0.9) else ()
    pages = random.choice((1, 1, 2, 4))
    if _subjects(kind) and _chance(random, 0.1):
        path = f"Patient/{_id(random, material, 'Patient')}/{kind}"
        return Request("GET", path, tuple(given), headers, pages)
    if _chance(random, 0.2):
        return Request("POST", f"{kind}/_search", tuple(given), headers, pages)
    return Request("GET", kind, tuple(given), headers, pages)


def _subjects(kind: str) -> list[str]:
    """Names of the parameters that lead to the person a record is about."""
    return [name for name, found in parameters()[kind].items() if found.subject]


def _criterion(random: Random, material: Material, kind: str) -> Pair:
    own = {name: found for name, found in parameters()[kind].items() if not found.subject}
    valued = {name for of, name in material.values if of == kind and name in own}
    made = {name for name, p in own.items() if valued & {*p.unites, *p.parts}}
    known = sorted(valued | made)
    if not known or _chance(random, 0.1):
        known = sorted(own)
    name = random.choice(known)
    parameter = own[name]
    modifier = random.choice(("", "", *sorted(MODIFIERS[parameter.kind])))
    if modifier == "missing":
        return f"{name}:missing", random.choice(("true", "false"))
    if modifier in ("in", "not-in"):
        return f"{name}:{modifier}", f"http://hl7.org/fhir/ValueSet/{random.choice(_VALUE_SETS)}"
    found = [_value(random, material, kind, parameter) for _ in range(random.choice((1, 1, 1, 2)))]
    return (f"{name}:{modifier}" if modifier else name), ",".join(found)


def _value(random: Random, material: Material, kind: str, parameter: Parameter) -> str:
    """A value that occurs in some record, of a united or paired parameter those of its parts."""
    if parameter.unites:
        name = random.choice(parameter.unites)
        return _value(random, material, kind, parameters()[kind][name])
    if parameter.parts:
        return "$".join(_value(random, material, kind, parameters()[kind][part]) for part in parameter.parts)
    value = random.choice(material.values.get((kind, parameter.name), ("1",)))
    return random.choice(_PREFIXES) + value if parameter.kind in ("date", "quantity") else value


def _chain(random: Random, material: Material, kind: str, depth: int = 0) -> Pair:
    """`reference:Type.parameter=value`, now and then over more than one reference."""
    references = [found for found in parameters()[kind].values() if found.kind == "reference"]
    if not references:
        return _criterion(random, material, kind)
    parameter = random.choice(references)
    possible = ("Patient",) if parameter.subject else parameter.targets or ("Patient",)
    target = random.choice([name for name in possible if name in parameters()] or ["Patient"])
    further = depth < 2 and _chance(random, 0.3)
    name, value = (
        _chain(random, material, target, depth + 1) if further else _criterion(random, material, target)
    )
    named = f":{target}" if _chance(random, 0.6) else ""
    return f"{parameter.name}{named}.{name}", value


def _has(random: Random, material: Material, kind: str) -> Pair:
    """`_has:Type:reference:parameter=value` of a type that can refer to this one."""
    pointing = [
        (name, found.name)
        for name, own in parameters().items()
        for found in own.values()
        if found.kind == "reference" and (kind == "Patient" if found.subject else kind in found.targets)
    ]
    present = [pair for pair in pointing if pair[0] in material.ids]
    if not pointing:
        return _criterion(random, material, kind)
    about = [(name, found) for name, found in present if parameters()[name][found].subject]
    source, reference = random.choice((_chance(random, 0.7) and about) or present or pointing)
    name, value = random.choice((_criterion, _criterion, _chain))(random, material, source)
    return f"_has:{source}:{reference}:{name}", value


def _shape(random: Random, material: Material, kind: str) -> list[Pair]:
    """What says how the answer is to look: order, size, totals, parts, what goes along."""
    keys = [random.choice(("", "-")) + random.choice(sorted(sortable(kind))) for _ in range(2)]
    other = _type(random, material)
    drawn = (
        (0.4, "_sort", ",".join(keys[: random.choice((1, 1, 2))])),
        (0.6, "_count", random.choice(("0", "1", "2", "3", "5", "20"))),
        (0.3, "_total", random.choice(("accurate", "estimate", "none"))),
        (0.2, "_summary", random.choice(("count", "data", "text", "true", "false"))),
        (0.1, "_elements", ",".join(random.sample(_ELEMENTS, 2))),
        (0.25, "_include", random.choice((_reference_of(random, kind), f"{kind}:*", "*"))),
        (0.1, "_include:iterate", _reference_of(random, other)),
        (0.25, "_revinclude", _reference_of(random, other)),
        (0.1, "_revinclude:iterate", _reference_of(random, other)),
        (0.1, "_revinclude", "Provenance:target"),
    )
    return [(name, value) for share, name, value in drawn if _chance(random, share)]


def _reference_of(random: Random, kind: str) -> str:
    names = [name for name, found in parameters()[kind].items() if found.kind == "reference"]
    return f"{kind}:{random.choice(names or ['nothing'])}"


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


def _versions(random: Random, material: Material) -> Request:
    """A history, or one of its versions."""
    kind = random.choice((_type(random, material), "Patient"))
    path = f"{kind}/{_id(random, material, kind)}/_history"
    if _chance(random, 0.3):
        return Request("GET", f"{path}/{random.choice(('1', '2', '3', '4', 'none'))}")
    drawn = (
        (0.5, "_count", random.choice(("1", "2", "20"))),
        (0.3, "_since", random.choice(material.instants).isoformat() if material.instants else "2026"),
    )
    given = tuple((name, value) for share, name, value in drawn if _chance(random, share))
    return Request("GET", random.choice((path, f"{kind}/_history")), given, (), random.choice((1, 2, 4)))


def _operation(random: Random, material: Material) -> Request:
    """An operation about one person, by GET."""
    patient = _id(random, material, "Patient")
    if _chance(random, 0.3):
        return _match(random, material)
    if _chance(random, 0.4):
        return Request("GET", f"Patient/{patient}/$summary")
    asked = ("patient", patient)
    if _chance(random, 0.6):
        drawn = (
            (0.5, "max", random.choice(("1", "2", "9"))),
            (0.3, *_criterion(random, material, "Observation")),
        )
        given = tuple((name, value) for share, name, value in drawn if _chance(random, share))
        return Request("GET", "Observation/$lastn", (asked, *given))
    start = ("start", _instant(random, material)[:10])
    return Request("GET", "DocumentReference/$docref", (asked, start) if _chance(random, 0.5) else (asked,))


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
            if _chance(random, 0.5)
            else {}
        ),
    }
    certain = {"name": "onlyCertainMatches", "valueBoolean": _chance(random, 0.3)}
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": described}, certain],
    }
    return Request("POST", "Patient/$match", body=json.dumps(asked))


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
        )
    )
