"""The answer for one atom: law first, then the person's own word, then what the law allows without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.trees import ANYONE, BY_NAME
from exchange.consent.directives.voices import Voice, may_open
from exchange.consent.rules.gates import Gates
from exchange.consent.rules.ruleset import Rule
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.standing import REPOSITORY


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer for one atom."""

    permit: bool
    because: tuple[str, ...]
    obligations: frozenset[str] = frozenset()
    needs_relationship: bool = False


@lru_cache(maxsize=4096)
def decided_by_law(opened: Gates, emergency: bool) -> Ruling:
    """The answer where no consent has a word; Gates are few, so that it is worked out once for each."""
    settled = _settled(opened)
    if settled:
        return settled
    if opened.emergency:
        return _emergency(opened, emergency)
    return _required(opened, ()) if opened.required else _silent(opened)


def decided(
    opened: Gates,
    emergency: bool,
    heard: Sequence[Voice],
    source: str,
    collecting: bool,
    vocabulary: Vocabulary,
) -> Ruling:
    """The answer to what these voices say of a record of `source`."""
    settled = _settled(opened)
    if settled:
        return settled
    refusals = _refusals(heard, opened)
    if refusals:
        return Ruling(False, refusals)
    if opened.emergency:
        return _emergency(opened, emergency)
    given = [voice for voice in heard if may_open(voice, source, vocabulary)]
    permits = [v for v in given if v.statement.by == "self"] if opened.own_consent else given
    if opened.required:
        ruling = _required(opened, permits)
    else:
        ruling = _ordinary(opened, heard, _ordinary_permits(permits, collecting, vocabulary), vocabulary)
    if ruling.permit or len(permits) == len(given):
        return ruling
    return Ruling(False, (*ruling.because, *_ids(opened.own_consent)))


@lru_cache(maxsize=4096)
def _settled(opened: Gates) -> Ruling | None:
    """What the law prohibits or releases whatever anybody said."""
    if opened.prohibited:
        return Ruling(False, _ids(opened.prohibited))
    if opened.released:
        return Ruling(True, _ids(opened.released), _owed(opened, opened.released))
    return None


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
        and not set(needed.domain).isdisjoint(voice.opens_in)
        and (not needed.named or voice.answer.naming > ANYONE)
        and (not needed.by_name or voice.answer.naming == BY_NAME)
        and (not needed.intermediary or _names_the_exchange(voice.statement.root))
        and (not needed.written or voice.statement.written)
        and (not needed.time_limited or voice.answer.ends)
    )


@lru_cache(maxsize=4096)
def _names_the_exchange(provision: Provision) -> bool:
    """It stands among those a permit names: the intermediary of 42 CFR 2.31(a)(4)(ii)."""
    own = provision.type == "permit" and REPOSITORY.participant in provision.actors
    return own or any(_names_the_exchange(child) for child in provision.provisions)


def _ordinary_permits(permits: Sequence[Voice], collecting: bool, vocabulary: Vocabulary) -> list[Voice]:
    """Those that release where no law asks for a special one; any of them is a reason to hold the record."""
    domains = vocabulary.file.domains
    return [voice for voice in permits if collecting or any(domains[name].opens for name in voice.opens_in)]


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
