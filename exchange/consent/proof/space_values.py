"""The values of each attribute of a request that the conditions of some rules tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import combinations, product
from operator import or_
from typing import Any, get_args

from exchange.consent.participants import Participant
from exchange.consent.proof.space_bits import Guarded, Layout, Value, least
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.policies import Condition, Party
from exchange.consent.rules.ruleset import Rules
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.standing import EXCHANGE, REPOSITORY
from exchange.model.partner import OrganizationType

SOURCE, REQUESTER, ABOVE = "source", "requester", "above"
"""Codes of the three participants of every point; `above` is who the requester is a part of."""

_ALWAYS = datetime(1900, 1, 1, tzinfo=UTC)
PLAIN: Mapping[str, Any] = {
    "type": "hospital",
    "covered_entity": True,
    "part2_program": False,
    "state": "IL",
}
ASKING, COLLECTING = ("access", "disclose"), ("collect",)


def attributes(
    layout: Layout,
    conditions: Sequence[Guarded],
    rules: Rules,
    since: datetime,
    actions: tuple[str, ...],
) -> list[tuple[int, list[Value]]]:
    """Values of each attribute, with the bits that this attribute may clear."""
    every = [condition for when, unless in conditions for condition in (when, *unless)]
    collecting = actions == COLLECTING
    return [
        (layout.asked_of(*names), least(values))
        for names, values in (
            (("action",), [_value(layout, "action", action=name) for name in actions]),
            (("purpose",), _purposes(layout, rules, collecting)),
            (("source", "requester", "same"), _parties(layout, every, rules, collecting)),
            (("role",), _roles(layout, every, collecting)),
            (("slice",), _slices(layout, rules, since)),
            (("about",), [_value(layout, "about", name, about=name) for name in ("person", "nobody")]),
            (("type",), [_value(layout, "type", type=n) for n in _mentioned(every, "type", "Observation")]),
            (("level",), [_value(layout, "level", confidentiality=name) for name in rules.vocabulary.levels]),
            (("label",), _labels(layout, every, rules.vocabulary)),
        )
    ]


def _mentioned(conditions: Iterable[Condition], name: str, other: str) -> list[str]:
    found = {word for condition in conditions for word in getattr(condition.record, name)}
    return [other, *sorted(found - {other})]


def _value(layout: Layout, attribute: str, *key: Any, **fields: Any) -> Value:
    facts = replace(_SOMEBODY_ASKS, **{k: v for k, v in fields.items() if k in Facts.__slots__})
    return Value(layout.bits(attribute, facts), key, fields)


_NOBODY = Participant(code=SOURCE, type="hospital", agreement_from=_ALWAYS)
_SOMEBODY_ASKS = Facts(
    source=_NOBODY,
    requester=replace(_NOBODY, code=REQUESTER),
    source_bound=True,
    requester_bound=True,
    role="organization",
    purpose="TREAT",
    action="access",
    type="Observation",
    about="person",
    confidentiality="N",
    labels=frozenset(),
    atom=None,
)


def _parties(layout: Layout, conditions: Sequence[Condition], rules: Rules, collecting: bool) -> list[Value]:
    """Pairs of source and requester: different ones, one and the same, or the repository that collects."""
    facts = _party_facts(conditions)
    apart = replace(_SOMEBODY_ASKS, requester=replace(_NOBODY, code=REQUESTER))
    same = layout.bits("same", replace(apart, requester=_NOBODY))
    different = layout.bits("same", apart)
    sources = least([_party(layout, rules, SOURCE, found) for found in facts])
    if collecting:
        exchange = EXCHANGE
        bits = layout.bits("requester", replace(apart, requester=exchange)) & different
        return [_joint(layout, value, bits, exchange) for value in sources]
    requesters = least([_party(layout, rules, REQUESTER, found) for found in facts])
    pairs = [
        _joint(layout, value, other.bits & different, other.fields[REQUESTER], *other.key)
        for value in sources
        for other in requesters
    ]
    for found in facts:
        value = _party(layout, rules, SOURCE, found)
        who = value.fields[SOURCE]
        bits = layout.bits("requester", _as_requester(who)) & same
        pairs.append(_joint(layout, value, bits, who, _has_group(who, rules)))
    return pairs


def _joint(layout: Layout, source: Value, bits: int, requester: Any, *key: Any) -> Value:
    same = requester.code == SOURCE
    return Value(source.bits & bits, (same, *key), {**source.fields, REQUESTER: requester})


def _party_facts(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """All combinations of the facts that conditions ask about, the plainest first."""
    parties = [party for condition in conditions for party in (condition.source, condition.requester)]
    choices: dict[str, list[Any]] = {
        "type": sorted(get_args(OrganizationType), key=lambda t: t != "hospital")
    }
    for name in Party.model_fields.keys() - {"type", "role", "is_source", "agreement_in_force"}:
        asked = [getattr(party, name) for party in parties]
        if any(isinstance(value, bool) for value in asked):
            plain = bool(PLAIN.get(name))
            choices[name] = [plain, not plain]
        elif any(asked):
            words = sorted({word for value in asked for word in value or ()})
            choices[name] = [*words, "other"]
    choices["agreement_from"] = [_ALWAYS, None]
    names = sorted(choices)
    return [dict(zip(names, values, strict=True)) for values in product(*(choices[name] for name in names))]


def _party(layout: Layout, rules: Rules, side: str, found: Mapping[str, Any]) -> Value:
    who = Participant(code=side, part_of=ABOVE if side == REQUESTER else None, roles=(), **found)
    if side == SOURCE:
        facts = replace(_SOMEBODY_ASKS, source=who, source_bound=who.agreement_from is not None)
        return Value(layout.bits("source", facts), (), {SOURCE: who})
    return Value(layout.bits("requester", _as_requester(who)), (_has_group(who, rules),), {REQUESTER: who})


def _as_requester(who: Participant) -> Facts:
    return replace(_SOMEBODY_ASKS, requester=who, requester_bound=who.agreement_from is not None)


def _has_group(who: Participant, rules: Rules) -> bool:
    return any(
        (not group.types or who.type in group.types)
        and (group.covered_entity is None or group.covered_entity is who.covered_entity)
        for group in rules.vocabulary.file.groups.values()
    )


def _roles(layout: Layout, conditions: Sequence[Condition], collecting: bool) -> list[Value]:
    asked = {r for condition in conditions for p in (condition.source, condition.requester) for r in p.role}
    names = [REPOSITORY.role] if collecting else ["organization", *sorted(asked - {"organization"})]
    return [_value(layout, "role", role=name) for name in names]


def _purposes(layout: Layout, rules: Rules, collecting: bool) -> list[Value]:
    """Emergencies and research are told apart: consents are read differently for them."""
    vocabulary = rules.vocabulary
    names = [REPOSITORY.purpose] if collecting else list(vocabulary.granted)
    special = vocabulary.granted.get("HRESCH", frozenset())
    emergency = vocabulary.file.emergency_purposes
    return [_value(layout, "purpose", n in emergency, n in special, purpose=n) for n in names]


def _labels(layout: Layout, conditions: Sequence[Condition], vocabulary: Vocabulary) -> list[Value]:
    """One atom or none, with every set of the marks that some condition asks about."""
    marks = sorted({m for c in conditions for m in c.record.label} & vocabulary.marks)
    bare = layout.bits("label", _SOMEBODY_ASKS)
    shows = {m: layout.bits("label", replace(_SOMEBODY_ASKS, labels=frozenset([m]))) for m in marks}
    atoms: dict[int, str | None] = {bare: None}
    for atom in sorted(vocabulary.atoms):
        atoms.setdefault(layout.bits("label", replace(_SOMEBODY_ASKS, atom=atom)), atom)
    found = [
        Value(reduce(or_, (shows[m] for m in carried), bits), (), {"marks": carried, "atom": atom})
        for carried in _subsets(marks)
        for bits, atom in atoms.items()
    ]
    return sorted(found, key=lambda value: len(value.fields["marks"]) + (value.fields["atom"] is not None))


def _subsets(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each set of the words; a label that is asked for is shown by any of them alone."""
    for size in range(len(words) + 1):
        yield from combinations(words, size)


def _slices(layout: Layout, rules: Rules, since: datetime) -> list[Value]:
    """A moment in each stretch of time from `since` on in which the same rules are in force."""
    moments = [since, *(m + timedelta(hours=12) for m in rules.boundaries if m > since)]
    found = []
    for at in moments:
        there = {id(rule) for rule in rules.slices[rules.in_force(at)]}
        gone = sum(1 << i for i, rule in enumerate(rules.rules) if id(rule) not in there)
        found.append(Value(layout.every & ~gone, (), {"at": at}))
    return found
