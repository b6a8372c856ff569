"""What a record reveals: from the program it comes from, its codes, its words and what it refers to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import orjson

from exchange.consent.directives.codings import ACT_CODE, ACT_REASON, CONFIDENTIALITY
from exchange.consent.labels.findings import TEXTS, Coding, Findings, findings
from exchange.consent.rules.codelists import Hit
from exchange.consent.rules.ruleset import Rules
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.records import Evidence, Labels, Resource

PROGRAM_SYSTEM = "urn:mosaic:program"
"""System of the labels for programs that have no standard code."""

UNREAD = "PDS"
"""What could not be read is protected until somebody has looked at it."""

_Reference = tuple[str, str, str]

ThroughSkin = Callable[[], bool]
"""Whether the record is about a drug given through the skin; asked only where that matters."""

_PART2 = "42CFRPart2"
_UNLABELLED = Labels()
_PATCH = re.compile(r"transdermal|\bpatch(es)?\b|butrans|'45890007'", re.IGNORECASE)
"""Words of a patch, its brand, and SNOMED CT's transdermal route."""
_ABOUT_RELATIVES = frozenset(["FamilyMemberHistory"])


@dataclass(frozen=True, slots=True)
class ProgramNames:
    """What identifiers of a Part 2 program look like: its own numbers begin with `namespace`."""

    namespace: str
    named: frozenset[tuple[str, str]]

    def gave(self, system: str, value: str) -> bool:
        """Whether it is one of the program's numbers, or the number of the program."""
        return system.startswith(self.namespace) or (system, value) in self.named


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record came from, as the partner's folder declares it for the feed.

    `others`: the Part 2 programs of other participants; to be a client of theirs is what they protect.
    """

    partner: str
    organization_type: str
    part2_program: bool
    feed: str
    program_labels: tuple[str, ...] = ()
    program_confidentiality: str | None = None
    others: tuple[ProgramNames, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """A resource's own evidence, and its references as (name, expression, `Type/id`).

    `identifiers` as (system, value, expression): what they reveal depends on who sent it.
    """

    evidence: tuple[Evidence, ...]
    references: tuple[_Reference, ...]
    identifiers: tuple[_Reference, ...] = ()


_NOTHING = _Look((), ())
_NUMBERS, _MOMENTS = frozenset((int, float)), frozenset(("start", "end"))
_SHORT, _MANY = 400, 1 << 16
"""Bytes of JSON up to which what an element told is kept, and of how many."""


def label(resource: Resource, source: Source, rules: Rules) -> Labels:
    """Labels of a resource on its own."""
    return label_all([resource], source, rules, {})[0]


def label_all(
    resources: Sequence[Resource], source: Source, rules: Rules, known: Mapping[str, Labels]
) -> list[Labels]:
    """Labels of the resources of one record; they follow references among them and to `known` (`Type/id`)."""
    looks = [_look(resource, source, rules) for resource in resources]
    found = [labels_from(look.evidence, rules.vocabulary) for look in looks]
    if not known and len(resources) == 1:
        return found
    names = [f"{resource['resourceType']}/{resource.get('id', '')}" for resource in resources]
    seen = {**known, **dict(zip(names, found, strict=True))}
    linked = [
        position for position, look in enumerate(looks) if any(to in seen for *_, to in look.references)
    ]
    changed = bool(linked)
    while changed:
        changed = False
        for position in linked:
            evidence = (
                *looks[position].evidence,
                *_followed(looks[position].references, seen, rules.vocabulary),
            )
            labels = labels_from(evidence, rules.vocabulary)
            changed = changed or labels != found[position]
            found[position] = seen[names[position]] = labels
    return found


def labels_from(evidence: tuple[Evidence, ...], vocabulary: Vocabulary) -> Labels:
    """The labels that evidence gives; context alone only raises the confidentiality."""
    if not evidence:
        return _UNLABELLED
    given = {item.label for item in evidence if item.strength != "context"}
    codes = {code for code in given if code not in vocabulary.levels}
    codes |= {vocabulary.reveals[code] for code in codes if code in vocabulary.reveals}
    codes |= {
        item.label
        for item in evidence
        if item.strength == "context" and not vocabulary.denies.get(item.label, frozenset()).isdisjoint(codes)
    }
    levels = [code for code in given if code in vocabulary.levels]
    levels += [vocabulary.makes[item.label] for item in evidence if item.label in vocabulary.makes]
    levels += [vocabulary.makes[code] for code in codes if code in vocabulary.makes]
    highest = max(levels, key=vocabulary.levels.__getitem__, default="N")
    return Labels(highest, frozenset(codes), evidence)


def _look(resource: Resource, source: Source, rules: Rules) -> _Look:
    kind = resource["resourceType"]
    evidence = list(_program_evidence(source, kind, rules))
    references: list[_Reference] = []
    for name, element in resource.items():
        form = type(element)
        if form is dict or form is list:
            look = _look_at(name, element, resource, rules)
            evidence += look.evidence
            references += look.references
            if source.others and look.identifiers:
                evidence += _of_programs(look.identifiers, source.others, rules.vocabulary)
        elif form is str and name in TEXTS:
            hits = rules.lists.of_text(element)
            if hits:
                skin = partial(_through_skin, resource)
                evidence.extend(_from_hits(hits, "text", f"{kind}.{name}", skin, kind))
    return _Look(tuple(evidence), tuple(references))


def _look_at(name: str, element: Any, resource: Resource, rules: Rules) -> _Look:
    """What one element tells: codes, categories and states are spelled alike in thousands of records."""
    kind = resource["resourceType"]
    if type(element) is dict and len(element) == 1 and type(element.get("reference")) is str:
        nowhere = name in _leads_nowhere(rules.vocabulary)
        return _NOTHING if nowhere else _Look((), ((name, f"{kind}.{name}", element["reference"]),))
    element = _telling(element)
    spelled = orjson.dumps(element)
    if len(spelled) > _SHORT:
        return _looked_at(name, element, kind, partial(_through_skin, resource), rules)
    known = _known_looks(rules)
    look = known.get((kind, name, spelled))
    if look is None:
        asked: list[bool] = []

        def skin() -> bool:
            asked.append(_through_skin(resource))
            return asked[-1]

        look = _looked_at(name, element, kind, skin, rules)
        if len(known) >= _MANY:
            known.clear()
        if not asked:  # else it depends on the other elements
            known[kind, name, spelled] = look
    return look


def _telling(element: Any) -> Any:
    """An element without its amount and its moments: they are another in each record, and reveal nothing."""
    if type(element) is not dict:
        return element
    if type(element.get("value")) not in _NUMBERS and _MOMENTS.isdisjoint(element):
        return element
    return {
        name: value
        for name, value in element.items()
        if not (type(value) in _NUMBERS or (name in _MOMENTS and type(value) is str))
    }


def _looked_at(name: str, element: Any, kind: str, skin: ThroughSkin, rules: Rules) -> _Look:
    found, expression = findings(name, element), f"{kind}.{name}"
    leads_nowhere = _leads_nowhere(rules.vocabulary)
    return _Look(
        tuple(_evidence(found, expression, skin, kind, rules)),
        tuple((key, expression, to) for key, to in found.references if key not in leads_nowhere),
        tuple((system, value, expression) for system, value in found.identifiers),
    )


def _of_programs(
    identifiers: Iterable[_Reference], programs: Sequence[ProgramNames], vocabulary: Vocabulary
) -> Iterator[Evidence]:
    """A number that a Part 2 program gave, or that of the program, says that somebody is its client."""
    for system, value, expression in identifiers:
        if any(program.gave(system, value) for program in programs):
            yield Evidence(
                vocabulary.reveals[_PART2], "inference", "an identifier of a Part 2 program", expression
            )


@lru_cache(maxsize=4)
def _known_looks(rules: Rules) -> dict[tuple[str, str, bytes], _Look]:
    """What short elements told under these rules, by type, name and JSON."""
    return {}


@lru_cache(maxsize=64)
def _leads_nowhere(vocabulary: Vocabulary) -> frozenset[str]:
    """Names of references over which no label reaches anything."""
    followed = frozenset().union(*vocabulary.follows.values())
    return frozenset(vocabulary.file.references_not_followed) - followed


def _through_skin(resource: Resource) -> bool:
    return _PATCH.search(repr(resource)) is not None


@lru_cache(maxsize=4096)
def _program_evidence(source: Source, kind: str, rules: Rules) -> tuple[Evidence, ...]:
    """A program's label follows every record about its clients; its directory says what kind it is."""
    declared = (*([_PART2] if source.part2_program else []), *source.program_labels)
    if kind in rules.vocabulary.file.directory_types:
        reveals = rules.vocabulary.reveals
        declared = tuple(reveals[code] for code in declared if code in reveals)
    elif source.program_confidentiality:
        declared = (*declared, source.program_confidentiality)
    detail = f"{source.partner} {source.feed}"
    return tuple(Evidence(code, "program", detail) for code in dict.fromkeys(declared))


def _evidence(
    found: Findings, expression: str, skin: ThroughSkin, kind: str, rules: Rules
) -> Iterator[Evidence]:
    for coding in found.declared:
        yield from _from_declared(coding, expression, rules.vocabulary)
    for system, code, worded, where in found.codings:
        hits = rules.lists.of_code(system, code)
        if hits is None or not (worded or _says_enough(system, code, where, rules)):
            yield Evidence(UNREAD, "code", "a code that cannot be read", expression, "weak")
        elif hits:
            yield from _from_hits(hits, "code", expression, skin, kind)
    for text in found.texts:
        if hits := rules.lists.of_text(text):
            yield from _from_hits(hits, "text", expression, skin, kind)
    if found.bare:
        yield Evidence(UNREAD, "code", "a code of no system, without words", expression, "weak")
    if found.mute:
        yield Evidence(UNREAD, "text", "an attachment that cannot be read", expression, "weak")


def _from_hits(
    hits: Iterable[Hit], basis: Literal["code", "text"], expression: str, skin: ThroughSkin, kind: str
) -> Iterator[Evidence]:
    for hit in hits:
        if hit.strength == "relative" or kind in _ABOUT_RELATIVES:
            yield Evidence(hit.label, "inference", f"{hit.row} about a relative", expression, "weak")
        elif hit.strength == "unless-patch":
            yield Evidence(hit.label, basis, hit.row, expression, "weak" if skin() else "strong")
        elif hit.strength != "never":
            yield Evidence(hit.label, basis, hit.row, expression, hit.strength)


@lru_cache(maxsize=4096)
def _administrative_system(prefixes: tuple[str, ...], system: str) -> bool:
    return system.startswith(prefixes)


def _says_enough(system: str, code: str, where: bool, rules: Rules) -> bool:
    """Whether a code without words is understood: it says nothing clinical, or our lists would know it."""
    if rules.lists.system_called(system) is None:
        return _administrative_system(rules.vocabulary.file.administrative_systems, system)
    return where or rules.lists.would_know(system, code)


def _from_declared(coding: Coding, expression: str, vocabulary: Vocabulary) -> Iterator[Evidence]:
    """What the source itself labelled; a label of its own that nobody here knows is protected."""
    system, code = str(coding.get("system", "")), str(coding.get("code", ""))
    ours = system in (ACT_CODE, PROGRAM_SYSTEM) and vocabulary.knows(code)
    if (system, code) in vocabulary.aliases:
        means = vocabulary.aliases[system, code]
    elif ours or (system == CONFIDENTIALITY and code in vocabulary.levels):
        means = (code,)
    elif system == ACT_REASON or system.endswith("v3-ObservationValue"):
        means = ()
    else:
        means = (UNREAD,)
    for label_code in means:
        yield Evidence(label_code, "source", "labelled by the source", expression)


def _followed(
    references: Iterable[_Reference], seen: Mapping[str, Labels], vocabulary: Vocabulary
) -> Iterator[Evidence]:
    for key, expression, to in references:
        labels = seen.get(to)
        if labels is not None and labels.codes:
            for code in sorted(vocabulary.passed_on(labels.codes, key) - {UNREAD}):
                yield Evidence(code, "reference", to.partition("/")[0], expression)
