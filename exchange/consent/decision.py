"""The one decision: may this viewer see this class of record at this moment.

Deny beats permit, silence denies, and what is unknown or missing denies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import get_args

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.directives.trees import Request, Subject
from exchange.consent.directives.voices import heard_by
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.gates import gates, impersonal, types_told_apart
from exchange.consent.rules.policies import Action
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.ruling import Ruling, decided
from exchange.consent.standing import REPOSITORY, Standing, participant_of, standing
from exchange.model.records import Decision, Viewer

_ACTIONS = frozenset(get_args(Action))


def decide(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str | None = None
) -> Decision:
    """Permit or deny with the reasons; pure, and the only place that says who may see what.

    `action` is `collect` for the repository itself and `access` for everybody else unless given
    (http://terminology.hl7.org/CodeSystem/consentaction); one the rules have no word for is denied.
    """
    until = _next_boundary(_boundaries(cls.profile, cls.source, viewer.participant, context), at)
    asking = standing(viewer, context)
    asked = action or ("collect" if viewer == REPOSITORY else "access")
    unknown = _unknown(cls.source, cls.confidentiality, cls.labels, viewer, context)
    unknown = unknown or _unknown_action(asked, viewer)
    if asking is None or unknown:
        return Decision("deny", (unknown or "unknown-participant",), until=until)
    request = _request(viewer, asked, at, context)
    about = _of_each_atom(cls, viewer, asking, context, at, asked)
    return _combined([_ruling(cls, facts, request, context) for facts in about], until)


def applying(cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str) -> set[str]:
    """The ids of the rules that speak of the request; without any other one it is decided the same."""
    asking, rules = standing(viewer, context), context.rules
    if asking is None or _unknown(cls.source, cls.confidentiality, cls.labels, viewer, context):
        return set()
    about = _of_each_atom(cls, viewer, asking, context, at, action)
    opened = (gates(rules, rules.in_force(at), facts) for facts in about)
    return {rule.policy.id for found in opened for rule in found.every}


def _of_each_atom(
    cls: DisclosureClass, viewer: Viewer, asking: Standing, context: Context, at: datetime, action: str
) -> list[Facts]:
    atoms = _atoms(cls.labels, context.rules.vocabulary)
    return [_facts(cls, viewer, asking, context, at, action, atom) for atom in atoms]


@lru_cache(maxsize=1 << 16)
def _request(viewer: Viewer, asked: str, at: datetime, context: Context) -> Request:
    """As consents see it; the same object again, which is quicker to look up."""
    collecting = viewer == REPOSITORY and asked == "collect"
    asking = standing(viewer, context)
    names = (asking.names, asking.wider, asking.known) if asking else (frozenset(),) * 3
    return Request(viewer.participant, *names, asked, viewer.purpose, at, collecting)


@lru_cache(maxsize=1 << 16)
def _atoms(labels: tuple[str, ...], vocabulary: Vocabulary) -> tuple[str | None, ...]:
    """What is decided one by one: each sensitivity label, or once nothing."""
    return tuple(sorted(vocabulary.atoms.intersection(labels))) or (None,)


def _next_boundary(moments: tuple[datetime, ...], at: datetime) -> datetime | None:
    position = bisect_right(moments, at)
    return moments[position] if position < len(moments) else None


def _combined(rulings: Sequence[Ruling], until: datetime | None) -> Decision:
    """Every atom must be permitted; what must travel with one of them travels with all."""
    denied = [ruling for ruling in rulings if not ruling.permit]
    because = tuple(dict.fromkeys(reason for ruling in denied or rulings for reason in ruling.because))
    if denied:
        return Decision("deny", because, until=until)
    return Decision(
        "permit",
        because,
        obligations=frozenset().union(*(ruling.obligations for ruling in rulings)),
        needs_relationship=any(ruling.needs_relationship for ruling in rulings),
        until=until,
    )


def _ruling(cls: DisclosureClass, facts: Facts, request: Request, context: Context) -> Ruling:
    """Law first, then the person's own word, then what the law allows without it."""
    rules, vocabulary = context.rules, context.rules.vocabulary
    opened = gates(rules, rules.in_force(request.at), facts)
    emergency = facts.purpose in vocabulary.file.emergency_purposes
    if cls.profile is None or not cls.profile.groups:
        return decided(opened, emergency)
    subject = _subject(facts.atom, cls.confidentiality, cls.labels, cls.matched, vocabulary)
    heard = heard_by(cls.profile, request, subject, cls.source, vocabulary)
    return decided(opened, emergency, heard, cls.source, request.collecting, vocabulary)


@lru_cache(maxsize=1 << 16)
def _unknown(
    source: str, confidentiality: str, labels: tuple[str, ...], viewer: Viewer, context: Context
) -> str | None:
    """The first thing about the request that nobody has defined."""
    vocabulary = context.rules.vocabulary
    requester = participant_of(viewer.participant, context)
    if requester is None:
        return "unknown-participant"
    if viewer.role not in requester.roles:
        return "unknown-role"
    if viewer.purpose not in vocabulary.granted:
        return "unknown-purpose"
    if source not in context.participants:
        return "unknown-source"
    if confidentiality not in vocabulary.levels:
        return "unknown-confidentiality"
    return None if all(vocabulary.knows(label) for label in labels) else "unknown-label"


def _unknown_action(action: str, viewer: Viewer) -> str | None:
    """The rules speak of reading and pushing, and of the repository's taking in."""
    known = action in _ACTIONS and (action != "collect" or viewer == REPOSITORY)
    return None if known else "unknown-action"


def _facts(
    cls: DisclosureClass,
    viewer: Viewer,
    asking: Standing,
    context: Context,
    at: datetime,
    action: str,
    atom: str | None = None,
) -> Facts:
    source = context.participants[cls.source]
    nameless_source, nameless_requester = impersonal(source, asking.requester)
    return Facts(
        source=nameless_source,
        requester=nameless_requester,
        source_bound=source.bound_at(at),
        requester_bound=asking.requester.bound_at(at),
        role=viewer.role,
        purpose=viewer.purpose,
        action=action,
        type=cls.type if cls.type in types_told_apart(context.rules) else "",
        about="nobody" if cls.profile is None else "person",
        confidentiality=cls.confidentiality,
        labels=frozenset(cls.labels),
        atom=atom,
    )


@lru_cache(maxsize=1 << 16)
def _subject(
    atom: str | None,
    confidentiality: str,
    labels: tuple[str, ...],
    matched: tuple[int, ...],
    vocabulary: Vocabulary,
) -> Subject:
    return Subject(atom, confidentiality, vocabulary.marks.intersection(labels), frozenset(matched))


def boundaries(cls: DisclosureClass, viewer: Viewer, context: Context) -> tuple[datetime, ...]:
    """Every moment at which the answer may change by itself, in order."""
    return _boundaries(cls.profile, cls.source, viewer.participant, context)


@lru_cache(maxsize=1 << 17)
def _boundaries(
    profile: Profile | None, source: str, requester: str, context: Context
) -> tuple[datetime, ...]:
    parties = (participant_of(source, context), participant_of(requester, context))
    agreements = {
        moment
        for party in parties
        if party is not None
        for moment in (party.agreement_from, party.agreement_until)
        if moment is not None
    }
    consents = _moments(profile) if profile else frozenset()
    return tuple(sorted(agreements.union(consents, context.rules.boundaries)))


@lru_cache(maxsize=65536)
def _moments(profile: Profile) -> frozenset[datetime]:
    statements = profile.statements
    ends = frozenset(one.opens_until for one in statements if one.opens_until)
    return ends.union(*(_moments_of(one.root) for one in statements))


def _moments_of(provision: Provision) -> frozenset[datetime]:
    period = provision.period
    spans = [period, *(member.during for member in provision.members)]
    own = {moment for span in spans if span for moment in (span.start, span.end) if moment}
    return frozenset(own).union(*(_moments_of(child) for child in provision.provisions))


def intervals(
    cls: DisclosureClass,
    viewer: Viewer,
    context: Context,
    start: datetime,
    horizon: datetime,
    action: str | None = None,
) -> list[tuple[datetime, datetime, Decision]]:
    """The permits from `start` until `horizon`: half-open, in order, cut wherever the answer changes."""
    if start >= horizon:
        return []
    cuts = [moment for moment in boundaries(cls, viewer, context) if start < moment < horizon]
    found: list[tuple[datetime, datetime, Decision]] = []
    for begins, ends in zip([start, *cuts], [*cuts, horizon], strict=True):
        answer = decide(cls, viewer, context, begins, action)
        before = found[-1] if found else None
        if answer.effect == "deny":
            continue
        if before and before[1] == begins and replace(before[2], until=None) == replace(answer, until=None):
            found[-1] = (before[0], ends, answer)
        else:
            found.append((begins, ends, answer))
    return found
