"""Random searches, with values that occur in records seen and hidden."""

from __future__ import annotations

from random import Random

from exchange.app.prove.asking import NOBODY, Material, Pair, Request
from exchange.repository import parameters
from exchange.repository.reading.conditions import MODIFIERS
from exchange.repository.reading.sorting import sortable
from exchange.repository.storage.parameters import Parameter, part_of

_PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_ELEMENTS = ("id", "status", "code", "subject", "name", "identifier", "meta", "text")
_ABOVE_AND_BELOW = frozenset({"above", "below"})
_ORDERED = (
    "http://hl7.org/fhir/observation-status|amended",
    "http://terminology.hl7.org/CodeSystem/condition-clinical|active",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode|_ActEncounterCode",
)
_VALUE_SETS = ("administrative-gender", "observation-status", "nothing")


def chance(random: Random, share: float) -> bool:
    return random.random() < share


def known_type(random: Random, material: Material) -> str:
    known = [kind for kind in material.ids if kind in parameters()]
    return random.choice(known if known and chance(random, 0.9) else sorted(parameters()))


def some_id(random: Random, material: Material, kind: str) -> str:
    ids = material.ids.get(kind, ())
    return random.choice(ids) if ids and chance(random, 0.97) else NOBODY


def some_moment(random: Random, material: Material) -> str:
    """To the microsecond, with its zone."""
    return random.choice(material.instants).isoformat() if material.instants else "2026-01-01T00:00:00+00:00"


def some_instant(random: Random, material: Material) -> str:
    """A moment, its day or its month."""
    found = some_moment(random, material)
    return random.choice((found, found[:10], found[:7]))


def search(random: Random, material: Material) -> Request:
    kind = known_type(random, material)
    given = [criterion(random, material, kind) for _ in range(random.choice((0, 0, 1, 1, 2)))]
    if chance(random, 0.25):
        given.append(_chain(random, material, kind))
    if chance(random, 0.2):
        given.append(_has(random, material, kind))
    if chance(random, 0.4) and _subjects(kind):
        name = random.choice((*_subjects(kind), f"{_subjects(kind)[0]}:missing"))
        patient = (
            random.choice(("true", "false"))
            if name.endswith("missing")
            else some_id(random, material, "Patient")
        )
        given.append((name, patient))
    if chance(random, 0.1):
        given.append(("_id", ",".join(some_id(random, material, kind) for _ in range(2))))
    if chance(random, 0.1):
        given.append(("_lastUpdated", random.choice(_PREFIXES) + some_instant(random, material)))
    given += _shape(random, material, kind)
    random.shuffle(given)
    headers = (("Prefer", "handling=lenient"),) if chance(random, 0.9) else ()
    pages = random.choice((1, 1, 2, 4))
    if _subjects(kind) and chance(random, 0.15):
        compartment = f"Patient/{some_id(random, material, 'Patient')}"
        if chance(random, 0.3):
            return Request("POST", f"{compartment}/{kind}/_search", tuple(given), headers, pages)
        return Request("GET", f"{compartment}/{kind}", tuple(given), headers, pages)
    if chance(random, 0.2):
        return Request("POST", f"{kind}/_search", tuple(given), headers, pages)
    return Request("GET", kind, tuple(given), headers, pages)


def _subjects(kind: str) -> list[str]:
    """Names of the parameters that lead to the person a record is about."""
    return [name for name, found in parameters()[kind].items() if found.subject]


def criterion(random: Random, material: Material, kind: str) -> Pair:
    own = {name: found for name, found in parameters()[kind].items() if not found.subject}
    valued = {name for of, name in material.values if of == kind and name in own}
    made = {name for name, p in own.items() if valued & {*p.unites, *p.parts}}
    known = sorted(valued | made)
    if not known or chance(random, 0.1):
        known = sorted(own)
    name = random.choice(known)
    parameter = own[name]
    special = _ABOVE_AND_BELOW if parameter.kind in ("token", "reference") else frozenset()
    modifier = random.choice(("", "", *sorted(MODIFIERS[parameter.kind] - special)))
    if chance(random, 0.1) and (way := _above_or_below(random, material, parameter)):
        return f"{name}:{way[0]}", way[1]
    if modifier == "missing":
        return f"{name}:missing", random.choice(("true", "false"))
    if modifier in ("in", "not-in"):
        return f"{name}:{modifier}", f"http://hl7.org/fhir/ValueSet/{random.choice(_VALUE_SETS)}"
    found = [_value(random, material, kind, parameter) for _ in range(random.choice((1, 1, 1, 2)))]
    return (f"{name}:{modifier}" if modifier else name), ",".join(found)


def _above_or_below(random: Random, material: Material, parameter: Parameter) -> Pair | None:
    """One of these modifiers and a value that has others above or below it; None where nothing has."""
    way = random.choice(sorted(_ABOVE_AND_BELOW))
    if parameter.kind == "token":
        return way, random.choice(_ORDERED)
    with_parts = [kind for kind in parameter.targets if part_of(kind)]
    if parameter.kind == "reference" and with_parts:
        kind = random.choice(with_parts)
        return way, f"{kind}/{some_id(random, material, kind)}"
    return None


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
        return criterion(random, material, kind)
    parameter = random.choice(references)
    possible = ("Patient",) if parameter.subject else parameter.targets or ("Patient",)
    target = random.choice([name for name in possible if name in parameters()] or ["Patient"])
    further = depth < 2 and chance(random, 0.3)
    name, value = (
        _chain(random, material, target, depth + 1) if further else criterion(random, material, target)
    )
    named = f":{target}" if chance(random, 0.6) else ""
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
        return criterion(random, material, kind)
    about = [(name, found) for name, found in present if parameters()[name][found].subject]
    source, reference = random.choice((chance(random, 0.7) and about) or present or pointing)
    name, value = random.choice((criterion, criterion, _chain))(random, material, source)
    return f"_has:{source}:{reference}:{name}", value


def _shape(random: Random, material: Material, kind: str) -> list[Pair]:
    """What says how the answer is to look: order, size, totals, parts, what goes along."""
    keys = [random.choice(("", "-")) + random.choice(sorted(sortable(kind))) for _ in range(2)]
    other = known_type(random, material)
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
    return [(name, value) for share, name, value in drawn if chance(random, share)]


def _reference_of(random: Random, kind: str) -> str:
    names = [name for name, found in parameters()[kind].items() if found.kind == "reference"]
    return f"{kind}:{random.choice(names or ['nothing'])}"
