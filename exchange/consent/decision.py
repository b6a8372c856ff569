"""The one decision: may this viewer see this class of record at this moment.

Deny beats permit, silence denies, and what is unknown or missing denies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile
from exchange.consent.directives.trees import ANYONE, BY_NAME, Request, Subject
from exchange.consent.directives.voices import Voice, heard_by, may_open
from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.gates import Gates, gates
from exchange.consent.rules.ruleset import Rule
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.standing import REPOSITORY, Standing, participant_of, standing
from exchange.model.records import Decision, Viewer


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer for one atom."""

    permit: bool
    because: tuple[str, ...]
    obligations: frozenset[str] = frozenset()
    needs_relationship: bool = False


def decide(
    cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime, action: str | None = None
) -> Decision:
    """Permit or deny with the reasons; pure, and the only place that says who may see what.

    `action` is `collect` for the repository itself and `access` for everybody else unless given
    (http://terminology.hl7.org/CodeSystem/consentaction).
    """
    until = _next_boundary(_boundaries(cls.profile, cls.source, viewer.participant, context), at)
    asking = standing(viewer, context)
    unknown = _unknown(cls, viewer, context)
    if asking is None or unknown:
        return Decision("deny", (unknown or "unknown-participant",), until=until)
    asked = action or ("collect" if viewer == REPOSITORY else "access")
    facts = _facts(cls, viewer, asking, context, at, asked)
    collecting = viewer == REPOSITORY and asked == "collect"
    names = (asking.names, asking.wider, asking.known)
    request = Request(viewer.participant, *names, asked, viewer.purpose, at, collecting)
    labelled = sorted(context.rules.vocabulary.atoms.intersection(cls.labels))
    atoms: list[str | None] = [*labelled] if labelled else [None]
    return _combined([_ruling(cls, replace(facts, atom=atom), request, context) for atom in atoms], until)


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
        return _decided(opened, emergency)
    subject = _subject(cls, facts.atom, vocabulary)
    heard = heard_by(cls.profile, request, subject, cls.source, vocabulary)
    return _decided(opened, emergency, heard, cls.source, request.collecting, vocabulary)


@lru_cache(maxsize=1 << 17)
def _decided(
    opened: Gates,
    emergency: bool,
    heard: tuple[Voice, ...] = (),
    source: str = "",
    collecting: bool = False,
    vocabulary: Vocabulary | None = None,
) -> Ruling:
    """The same gates and the same voices give the same ruling, whatever record it is about."""
    if opened.prohibited:
        return Ruling(False, _ids(opened.prohibited))
    if opened.released:
        return Ruling(True, _ids(opened.released), _owed(opened, opened.released))
    refusals = _refusals(heard, opened)
    if refusals:
        return Ruling(False, refusals)
    if opened.emergency:
        return _emergency(opened, emergency)
    if vocabulary is None:
        return _required(opened, ()) if opened.required else _silent(opened)
    permits = [voice for voice in heard if may_open(voice, source, vocabulary)]
    if opened.required:
        return _required(opened, permits)
    return _ordinary(opened, heard, _ordinary_permits(permits, collecting, vocabulary), vocabulary)


def _refusals(heard: Sequence[Voice], opened: Gates) -> tuple[str, ...]:
    """Any explicit denial wins, save those that every emergency rule in play may lift."""
    lifts = [frozenset(rule.policy.lifts) for rule in opened.emergency]
    lifted = lifts[0].intersection(*lifts) if lifts else frozenset()
    return tuple(
        voice.because
        for voice in heard
        if voice.answer.verdict == "deny" and not lifted.issuperset(voice.domains)
    )


def _emergency(opened: Gates, emergency: bool) -> Ruling:
    ids = _ids(opened.emergency)
    if not emergency:
        return Ruling(False, ids)
    return Ruling(True, ids, _owed(opened, opened.emergency), needs_relationship=True)


def _required(opened: Gates, permits: Sequence[Voice]) -> Ruling:
    """Each law that asks for a consent needs one of its own domains."""
    keys = [(rule, [voice for voice in permits if _fits(voice, rule)]) for rule in opened.required]
    shut = tuple(rule.policy.id for rule, fitting in keys if not fitting)
    if shut:
        return Ruling(False, shut)
    used = {voice.position: voice for _, fitting in keys for voice in fitting}
    return _permitted(opened, opened.required, [used[position] for position in sorted(used)])


def _fits(voice: Voice, rule: Rule) -> bool:
    needed = rule.policy.consent
    return (
        needed is not None
        and not set(needed.domain).isdisjoint(voice.domains)
        and (not needed.named or voice.answer.naming > ANYONE)
        and (not needed.written or voice.statement.written)
        and (not needed.time_limited or voice.answer.ends)
    )


def _ordinary_permits(permits: Sequence[Voice], collecting: bool, vocabulary: Vocabulary) -> list[Voice]:
    """Those that release where no law asks for a special one; any of them is a reason to hold the record."""
    domains = vocabulary.file.domains
    return [voice for voice in permits if collecting or any(domains[name].opens for name in voice.domains)]


def _ordinary(
    opened: Gates, heard: Sequence[Voice], permits: Sequence[Voice], vocabulary: Vocabulary
) -> Ruling:
    """A permit releases; a consent that leaves this recipient out refuses; else the law has the word."""
    if permits:
        return _permitted(opened, opened.allowed, permits)
    domains = vocabulary.file.domains
    limiting = tuple(
        voice.because
        for voice in heard
        if voice.answer.verdict == "uncovered" and any(domains[name].limits for name in voice.domains)
    )
    if limiting:
        return Ruling(False, limiting)
    return _silent(opened)


def _silent(opened: Gates) -> Ruling:
    """Nobody said anything: the law has the word."""
    return _permitted(opened, opened.allowed, ()) if opened.allowed else Ruling(False, ("silence",))


def _permitted(opened: Gates, rules: tuple[Rule, ...], used: Sequence[Voice]) -> Ruling:
    """A consent that names the recipient stands for the relationship where the rule says so."""
    named = any(voice.answer.naming == BY_NAME for voice in used)
    asked = [rule for rule in opened.relationship if not (named and rule.policy.waived_if_named)]
    reasons = (*_ids(rules), *(voice.because for voice in used), *_ids(asked))
    return Ruling(True, reasons, _owed(opened, rules), needs_relationship=bool(asked))


def _ids(rules: Sequence[Rule]) -> tuple[str, ...]:
    return tuple(rule.policy.id for rule in rules)


def _owed(opened: Gates, rules: Sequence[Rule]) -> frozenset[str]:
    """Obligations of the rules that decided, and of those that only oblige."""
    return frozenset(name for rule in (*rules, *opened.obligation) for name in rule.policy.obligations)


def _unknown(cls: DisclosureClass, viewer: Viewer, context: Context) -> str | None:
    """The first thing about the request that nobody has defined."""
    vocabulary = context.rules.vocabulary
    requester = participant_of(viewer.participant, context)
    if requester is None:
        return "unknown-participant"
    if viewer.role not in requester.roles:
        return "unknown-role"
    if viewer.purpose not in vocabulary.granted:
        return "unknown-purpose"
    if cls.source not in context.participants:
        return "unknown-source"
    if cls.confidentiality not in vocabulary.levels:
        return "unknown-confidentiality"
    return None if all(vocabulary.knows(label) for label in cls.labels) else "unknown-label"


def _facts(
    cls: DisclosureClass, viewer: Viewer, asking: Standing, context: Context, at: datetime, action: str
) -> Facts:
    source = context.participants[cls.source]
    return Facts(
        source=source,
        requester=asking.requester,
        source_bound=source.bound_at(at),
        requester_bound=asking.requester.bound_at(at),
        role=viewer.role,
        purpose=viewer.purpose,
        action=action,
        type=cls.type,
        about="nobody" if cls.profile is None else "person",
        confidentiality=cls.confidentiality,
        labels=frozenset(cls.labels),
        atom=None,
    )


def _subject(cls: DisclosureClass, atom: str | None, vocabulary: Vocabulary) -> Subject:
    marks = vocabulary.marks.intersection(cls.labels)
    return Subject(atom, cls.confidentiality, marks, frozenset(cls.matched))


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
    return frozenset().union(*(_moments_of(statement.root) for statement in profile.statements))


def _moments_of(provision: Provision) -> frozenset[datetime]:
    period = provision.period
    spans = [period, *(member.during for member in provision.members)]
    own = {moment for span in spans if span for moment in (span.start, span.end) if moment}
    return frozenset(own).union(*(_moments_of(child) for child in provision.provisions))


def intervals(
    cls: DisclosureClass, viewer: Viewer, context: Context, start: datetime, horizon: datetime
) -> list[tuple[datetime, datetime, Decision]]:
    """The permits from `start` until `horizon`: half-open, in order, cut wherever the answer changes."""
    if start >= horizon:
        return []
    cuts = [moment for moment in boundaries(cls, viewer, context) if start < moment < horizon]
    found: list[tuple[datetime, datetime, Decision]] = []
    for begins, ends in zip([start, *cuts], [*cuts, horizon], strict=True):
        answer = decide(cls, viewer, context, begins)
        before = found[-1] if found else None
        if answer.effect == "deny":
            continue
        if before and before[1] == begins and replace(before[2], until=None) == replace(answer, until=None):
            found[-1] = (before[0], ends, answer)
        else:
            found.append((begins, ends, answer))
    return found
