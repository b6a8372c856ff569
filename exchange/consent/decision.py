"""The one decision: may this viewer see this class of record at this moment.

Deny beats permit, silence denies, and what is unknown or missing denies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import get_args

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.directives.trees import Request, Subject
from exchange.consent.directives.voices import heard_by
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.gates import Gates, gates, impersonal, types_told_apart
from exchange.consent.rules.policies import Action
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.ruling import Ruling, decided, decided_by_law
from exchange.consent.standing import REPOSITORY, participant_of, standing
from exchange.model.records import Decision, Viewer

_ACTIONS = frozenset(get_args(Action))
_EVER = datetime.min.replace(tzinfo=UTC)


def decide(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str | None = None
) -> Decision:
    """Permit or deny with the reasons; pure, and the only place that says who may see what.

    `action` is `collect` for the repository itself and `access` for everybody else unless given
    (http://terminology.hl7.org/CodeSystem/consentaction); one the rules have no word for is denied.
    `at` is taken as UTC: in their own zone both hours of the night the clocks go back are equal.
    """
    asked = _asked(viewer, action)
    until = _next_boundary(boundaries(cls, viewer, context), at)
    unknown = _not_known(cls, viewer, asked, context)
    if unknown:
        return Decision("deny", (unknown,), until=until)
    return _combined(_rulings(cls, viewer, context, at, asked), until)


def _asked(viewer: Viewer, action: str | None) -> str:
    return action or ("collect" if viewer == REPOSITORY else "access")


def applying(cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str) -> set[str]:
    """The ids of the rules that speak of the request; without any other one it is decided the same."""
    if _unknown(cls.source, cls.confidentiality, cls.labels, viewer, context):
        return set()
    return {rule.policy.id for found in _opened(cls, viewer, context, at, action) for rule in found.every}


def _opened(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str
) -> tuple[Gates, ...]:
    """The legal gates of each atom."""
    kind = cls.type if cls.type in types_told_apart(context.rules) else ""
    about = "nobody" if cls.profile is None else "person"
    since = _since(_legal_moments(cls.source, viewer.participant, context), at)
    return _gates_of(cls.source, kind, about, cls.confidentiality, cls.labels, viewer, action, since, context)


@lru_cache(maxsize=1 << 17)
def _gates_of(
    source: str,
    kind: str,
    about: str,
    confidentiality: str,
    labels: tuple[str, ...],
    viewer: Viewer,
    action: str,
    since: datetime,
    context: Context,
) -> tuple[Gates, ...]:
    """Looked up by the names that stand in a class, which is quicker than by the facts behind them."""
    rules, asking = context.rules, standing(viewer, context)
    if asking is None:
        return ()
    from_source = context.participants[source]
    nameless_source, nameless_requester = impersonal(from_source, asking.requester)
    source_bound, requester_bound = from_source.bound_at(since), asking.requester.bound_at(since)
    in_force, marked = rules.in_force(since), frozenset(labels)

    def about_atom(atom: str | None) -> Facts:
        return Facts(
            source=nameless_source,
            requester=nameless_requester,
            source_bound=source_bound,
            requester_bound=requester_bound,
            role=viewer.role,
            purpose=viewer.purpose,
            action=action,
            type=kind,
            about=about,
            confidentiality=confidentiality,
            labels=marked,
            atom=atom,
        )

    return tuple(gates(rules, in_force, about_atom(atom)) for atom in _atoms(labels, rules.vocabulary))


def _since(moments: tuple[datetime, ...], at: datetime) -> datetime:
    """The moment from which on the law says the same as at `at`."""
    position = bisect_right(moments, at)
    return moments[position - 1] if position else _EVER


@lru_cache(maxsize=1 << 16)
def _request(viewer: Viewer, asked: str, at: datetime, context: Context) -> Request:
    """As consents see it; the same object again, which is quicker to look up.

    `at` in UTC: both moments of an hour that comes twice look the same elsewhere.
    """
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
    """Every atom must be permitted, and there must be one; what must travel with one travels with all."""
    denied = [ruling for ruling in rulings if not ruling.permit]
    because = tuple(dict.fromkeys(reason for ruling in denied or rulings for reason in ruling.because))
    if denied or not rulings:
        return Decision("deny", because or ("silence",), until=until)
    if len(rulings) == 1:
        return Decision("permit", because, rulings[0].obligations, rulings[0].needs_relationship, until)
    return Decision(
        "permit",
        because,
        obligations=frozenset().union(*(ruling.obligations for ruling in rulings)),
        needs_relationship=any(ruling.needs_relationship for ruling in rulings),
        until=until,
    )


def _rulings(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, asked: str
) -> list[Ruling]:
    """Of each atom. Law first, then the person's own word, then what the law allows without it."""
    vocabulary = context.rules.vocabulary
    opened = _opened(cls, viewer, context, at, asked)
    emergency = viewer.purpose in vocabulary.file.emergency_purposes
    profile = cls.profile
    if profile is None or not profile.groups:
        return [decided_by_law(one, emergency) for one in opened]
    request = _request(viewer, asked, at.astimezone(UTC), context)
    subjects = _subjects(cls.confidentiality, cls.labels, cls.matched, vocabulary)
    return [
        decided(
            one,
            emergency,
            heard_by(profile, request, subject, cls.source, vocabulary),
            cls.source,
            request.collecting,
            vocabulary,
        )
        for one, subject in zip(opened, subjects, strict=True)
    ]


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


def _not_known(cls: DisclosureClass, viewer: Viewer, action: str, context: Context) -> str | None:
    """The first thing about the request, what is asked included, that nobody has defined."""
    unknown = _unknown(cls.source, cls.confidentiality, cls.labels, viewer, context)
    return unknown or _unknown_action(action, viewer)


def _unknown_action(action: str, viewer: Viewer) -> str | None:
    """The rules speak of reading and pushing, and of the repository's taking in."""
    known = action in _ACTIONS and (action != "collect" or viewer == REPOSITORY)
    return None if known else "unknown-action"


@lru_cache(maxsize=1 << 16)
def _subjects(
    confidentiality: str, labels: tuple[str, ...], matched: tuple[int, ...], vocabulary: Vocabulary
) -> tuple[Subject, ...]:
    """What consents are asked about, for each atom."""
    marks, numbers = vocabulary.marks.intersection(labels), frozenset(matched)
    return tuple(Subject(atom, confidentiality, marks, numbers) for atom in _atoms(labels, vocabulary))


def boundaries(cls: DisclosureClass, viewer: Viewer, context: Context) -> tuple[datetime, ...]:
    """Every moment at which the answer may change by itself, in order."""
    return _boundaries(cls.profile, cls.source, viewer.participant, context)


@lru_cache(maxsize=1 << 17)
def _boundaries(
    profile: Profile | None, source: str, requester: str, context: Context
) -> tuple[datetime, ...]:
    consents = _moments(profile) if profile else frozenset()
    return tuple(sorted(consents.union(_legal_moments(source, requester, context))))


@lru_cache(maxsize=1 << 16)
def _legal_moments(source: str, requester: str, context: Context) -> tuple[datetime, ...]:
    """When a rule or the agreement of one of both begins or ends, in order.

    In one zone: moments of two are compared much more slowly.
    """
    parties = (participant_of(source, context), participant_of(requester, context))
    agreements = {
        moment
        for party in parties
        if party is not None
        for moment in (party.agreement_from, party.agreement_until)
        if moment is not None
    }
    return tuple(sorted(moment.astimezone(UTC) for moment in agreements.union(context.rules.boundaries)))


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
    asked = _asked(viewer, action)
    if _not_known(cls, viewer, asked, context):
        return []
    moments = boundaries(cls, viewer, context)
    first, last = bisect_right(moments, start), bisect_left(moments, horizon)
    cuts = moments[first:last]
    untils = (*cuts, moments[last] if last < len(moments) else None)
    found: list[tuple[datetime, datetime, Decision]] = []
    for begins, ends, until in zip((start, *cuts), (*cuts, horizon), untils, strict=True):
        answer = _combined(_rulings(cls, viewer, context, begins, asked), until)
        if answer.effect == "deny":
            continue
        before = found[-1] if found else None
        if before and before[1] == begins and _alike(before[2], answer):
            found[-1] = (before[0], ends, answer)
        else:
            found.append((begins, ends, answer))
    return found


def _alike(before: Decision, answer: Decision) -> bool:
    return replace(before, until=None) == replace(answer, until=None)
