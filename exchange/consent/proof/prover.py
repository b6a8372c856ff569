"""Are the invariants true whatever is asked, whoever asks, and whatever the person has consented to?

Complete over the attribute space (space.py) with three reductions. One label atom at a time is enough.
Another permit never closes and another refusal never opens, so instead of all sets of consents the worst
one is tried: every permit (for `never: permit`) or every refusal (for `never: deny`) that the invariant does
not make an exception. And where a prohibition is certain, nothing is permitted. tests/consent/test_proof.py
holds each of them against decide() itself, drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import decide
from exchange.consent.directives.profiles import Profile
from exchange.consent.participants import Participant
from exchange.consent.proof.archetypes import (
    Archetype,
    flawed,
    permits,
    profile_of,
    refusals,
    speaks,
    strongest,
)
from exchange.consent.proof.invariants import Always, ConsentFact, Invariant, Situation, Written, is_kind
from exchange.consent.proof.space import ABOVE, REPOSITORY_CODE, SOURCE, Point, Search, plainer, points
from exchange.consent.rules.conditions import Facts, holds
from exchange.consent.rules.policies import Condition, Policy
from exchange.consent.rules.ruleset import Rules, compile_rules
from exchange.model.records import Decision, Viewer

Consents = tuple[Archetype, ...]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A request that breaks an invariant, with as few labels, facts and consents as will do."""

    point: Point
    consents: Consents
    decision: Decision


@dataclass(frozen=True, slots=True)
class Proved:
    """What came of one invariant; `tried` kinds of requests were looked at."""

    written: Written
    tried: int
    counterexample: Counterexample | None


def prove(invariants: Sequence[Written], rules: Rules, since: datetime) -> Iterator[Proved]:
    """Each invariant over the whole attribute space, from `since` on."""
    for written in invariants:
        yield _prove(written, rules, since)


def _prove(written: Written, rules: Rules, since: datetime) -> Proved:
    invariant = written.invariant
    tried = 0
    for point in points(_search(invariant, rules, since)):
        open_exceptions = _open(invariant, point)
        if open_exceptions is None:
            continue
        tried += 1
        for consents in _worst(invariant, point, rules, open_exceptions):
            if _breaks(invariant, decision_for(point, consents, rules)):
                return Proved(written, tried, shrunk(invariant, point, consents, rules))
    return Proved(written, tried, None)


def _search(invariant: Invariant, rules: Rules, since: datetime) -> Search:
    """Rules that only add what the invariant does not ask about are left out."""
    always = invariant.always
    policies = [rule.policy for rule in rules.rules if _counts(rule.policy, always)]
    deciding = compile_rules({"of": rules.digest}, rules.vocabulary, rules.lists, policies)
    asked = (condition_of(invariant.when), *(condition_of(exception) for exception in invariant.unless))
    prohibited = (i for i, p in enumerate(policies) if p.effect == "prohibited")
    closed = 0 if invariant.never == "deny" else sum(1 << bit for bit in prohibited)
    return Search(deciding, since, asked, 1 << len(policies), closed)


def _counts(policy: Policy, always: Always | None) -> bool:
    if policy.effect == "relationship":
        return always is not None and always.relationship
    if policy.effect == "obligation":
        return always is not None and not set(always.obligations).isdisjoint(policy.obligations)
    return True


def condition_of(situation: Situation) -> Condition:
    """What it asks of the request, apart from the consent."""
    return Condition(**{name: getattr(situation, name) for name in Condition.model_fields})


def _open(invariant: Invariant, point: Point) -> list[Situation] | None:
    """Exceptions that a consent would make; None where one holds already."""
    told = [
        exception for position, exception in enumerate(invariant.unless) if point.told >> (position + 1) & 1
    ]
    return None if any(exception.consent is None for exception in told) else told


def _worst(
    invariant: Invariant, point: Point, rules: Rules, exceptions: Sequence[Situation]
) -> Iterator[Consents]:
    """The sets of consents that speak most against the invariant."""
    if point.about == "nobody":
        if invariant.when.consent is None:
            yield ()
        return

    opens = tuple(e.consent for e in exceptions if e.consent)
    research = point.purpose in rules.vocabulary.granted["HRESCH"]
    for base, rest in _sets(invariant, opens, research, point.action == "collect", rules):
        if all(speaks(consent, point, rules) for consent in base):
            yield (*base, *rest)


@lru_cache(maxsize=4096)
def _sets(
    invariant: Invariant, opens: tuple[ConsentFact, ...], research: bool, collecting: bool, rules: Rules
) -> tuple[tuple[Consents, Consents], ...]:
    """What is given and the worst that may come with it."""

    def free(consent: Archetype) -> bool:
        """It says something about such a request, and the invariant does not make it an exception."""
        return (research or consent.domain != "research") and not any(is_kind(o, consent) for o in opens)

    given, says = invariant.when.consent, "refuse" if invariant.never == "deny" else "permit"
    every = [consent for consent in (*permits(rules), *refusals(rules)) if free(consent)]
    rest = strongest(consent for consent in every if consent.says == says)
    if says == "permit" and (given is None or given.says == "permit"):
        rest += flawed(rules, _opening(opens, rules), collecting)
    bases: list[Consents] = [()] if given is None else [(c,) for c in every if is_kind(given, c)]
    return tuple((base, rest) for base in bases)


def _opening(opens: Sequence[ConsentFact], rules: Rules) -> tuple[str, ...]:
    """Domains of the consents that the exceptions let open, all of them where none is named."""
    named = [domain for consent in opens for domain in consent.domain]
    return tuple(dict.fromkeys(named)) or tuple(rules.vocabulary.file.domains)


def _breaks(invariant: Invariant, answer: Decision) -> bool:
    if invariant.never:
        return answer.effect == invariant.never
    always = invariant.always
    return (
        answer.effect == "permit"
        and always is not None
        and (
            not answer.obligations.issuperset(always.obligations)
            or (always.relationship and not answer.needs_relationship)
        )
    )


def decision_for(point: Point, consents: Consents, rules: Rules) -> Decision:
    """What decide() answers."""
    return decide(*arguments(point, consents, rules))


def arguments(
    point: Point, consents: Consents, rules: Rules
) -> tuple[DisclosureClass, Viewer, Context, datetime, str]:
    """The arguments of decide()."""
    profile = None if point.about == "nobody" else _profile(consents, _gist(point, consents), rules)
    labels = tuple(sorted(point.labels))
    cls = DisclosureClass(SOURCE, point.type, point.confidentiality, labels, profile)
    viewer = Viewer(point.requester.code, point.role, point.purpose)
    return cls, viewer, _context(point.source, point.requester, point.role, rules), point.at, point.action


def _gist(point: Point, consents: Consents) -> Point:
    """Only what the consents depend on, so that points that are alike in that share a profile."""
    who = point.requester
    requester = Participant(who.code, who.type, who.covered_entity, part_of=who.part_of)
    labels = point.labels if any(consent.reach == "labels" for consent in consents) else ()
    return Point(_ANYBODY, requester, "", point.purpose, "", "", "", "", labels, point.at)


_ANYBODY = Participant(code=SOURCE, type="hospital")


@lru_cache(maxsize=16384)
def _profile(consents: Consents, point: Point, rules: Rules) -> Profile:
    return profile_of(consents, point, rules)


@lru_cache(maxsize=4096)
def _context(source: Participant, requester: Participant, role: str, rules: Rules) -> Context:
    above = Participant(code=ABOVE, type="hospital", covered_entity=True, roles=("organization",))
    asking = {} if requester.code == REPOSITORY_CODE else {requester.code: replace(requester, roles=(role,))}
    return Context(rules, {SOURCE: replace(source, roles=(role,)), ABOVE: above, **asking})


def violates(invariant: Invariant, point: Point, consents: Consents, rules: Rules) -> bool:
    """Whether this very request breaks the invariant, asked of the conditions and decide() themselves."""
    if not _is(invariant.when, point, consents, rules):
        return False
    if any(_is(exception, point, consents, rules) for exception in invariant.unless):
        return False
    return _breaks(invariant, decision_for(point, consents, rules))


def _is(situation: Situation, point: Point, consents: Consents, rules: Rules) -> bool:
    fact = situation.consent
    if fact is not None and not any(is_kind(fact, c) and speaks(c, point, rules) for c in consents):
        return False
    test = holds(condition_of(situation), rules.vocabulary)
    atoms = rules.vocabulary.atoms.intersection(point.labels) or (None,)
    return any(test(facts_at(point, atom)) for atom in atoms)


def facts_at(point: Point, atom: str | None) -> Facts:
    """What the rules look at for one label of the record, or for the whole record (None)."""
    return Facts(
        source=point.source,
        requester=point.requester,
        source_bound=point.source.bound_at(point.at),
        requester_bound=point.requester.bound_at(point.at),
        role=point.role,
        purpose=point.purpose,
        action=point.action,
        type=point.type,
        about=point.about,
        confidentiality=point.confidentiality,
        labels=frozenset(point.labels),
        atom=atom,
    )


def shrunk(invariant: Invariant, point: Point, consents: Consents, rules: Rules) -> Counterexample:
    """The same violation with nothing left that could be left out."""
    smaller = True
    while smaller:
        smaller = False
        for fewer_consents, simpler in (
            *((tuple(c for c in consents if c != gone), point) for gone in consents),
            *((consents, simpler) for simpler in plainer(point, rules)),
        ):
            if violates(invariant, simpler, fewer_consents, rules):
                point, consents, smaller = simpler, fewer_consents, True
                break
    return Counterexample(point, consents, decision_for(point, consents, rules))
