"""What the statements of a profile say about one atom of a record, each in its own domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from exchange.consent.directives.normal_form import UNRESOLVED
from exchange.consent.directives.profiles import Profile, Statement
from exchange.consent.directives.trees import Answer, Node, Request, Subject, evaluate, trees
from exchange.consent.rules.vocabulary import Vocabulary

_SEVERITY = {"deny": 0, "uncovered": 1, "silent": 2, "permit": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One statement's answer and the domains it speaks in; it is itself and equal to no other.

    `ended`: given for somebody who has come of age since, it may only deny. `opens_in`: the domains of these
    in which its permit may count for this record.
    """

    position: int
    statement: Statement
    domains: tuple[str, ...]
    answer: Answer
    ended: bool = False
    opens_in: tuple[str, ...] = ()

    @property
    def because(self) -> str:
        return f"consent:{self.position}:{self.answer.path}"


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """A statement where it stands.

    `own_only`: a permit for the records of certain organizations, which says nothing of others', its
    exceptions included. A refusal is heard everywhere, and so is a permit of which it cannot be told whose
    records it is about.
    """

    position: int
    statement: Statement
    root: Node
    domains: tuple[str, ...]
    own_only: bool


@lru_cache(maxsize=1 << 17)
def heard_by(
    profile: Profile, request: Request, subject: Subject, source: str, vocabulary: Vocabulary
) -> tuple[Voice, ...]:
    """One for each group about a record of `source`: of those signed together the most restrictive."""
    return tuple(
        _together([_voice(entry, request, subject, source, vocabulary) for entry in group])
        for group in _spoken(profile, vocabulary)
    )


def _together(voices: Sequence[Voice]) -> Voice:
    """Several that permit fulfil what the law asks of a consent only if each of them does.

    A policyRule may put one of them in another domain: where one limits or holds in an emergency, all do.
    """
    found = min(voices, key=lambda voice: _SEVERITY[voice.answer.verdict])
    if len(voices) == 1:
        return found
    alike = [voice for voice in voices if voice.answer.verdict == found.answer.verdict]
    found = replace(
        found,
        domains=tuple(sorted({name for voice in alike for name in voice.domains})),
        opens_in=tuple(name for name in found.opens_in if all(name in voice.opens_in for voice in alike)),
    )
    if found.answer.verdict != "permit":
        return found
    answers, statements = [v.answer for v in voices], [v.statement for v in voices]
    naming, ends = min(a.naming for a in answers), all(a.ends for a in answers)
    statement = replace(
        found.statement,
        written=all(s.written for s in statements),
        certain=all(s.certain for s in statements),
        by="self" if all(s.by == "self" for s in statements) else "",
    )
    answer = replace(found.answer, naming=naming, ends=ends)
    return replace(found, statement=statement, answer=answer, ended=any(v.ended for v in voices))


@lru_cache(maxsize=65536)
def _spoken(profile: Profile, vocabulary: Vocabulary) -> tuple[tuple[_Entry, ...], ...]:
    """The statements of each group, where they stand and in which domains they speak."""
    return tuple(tuple(_entry(*found, vocabulary) for found in group) for group in trees(profile))


def _entry(position: int, statement: Statement, root: Node, vocabulary: Vocabulary) -> _Entry:
    domains = vocabulary.domains_of(statement.categories, (*statement.policies, *statement.rules))
    own_only = (
        statement.root.type == "permit"
        and all(vocabulary.file.domains[name].only_source for name in domains)
        and bool(statement.organizations)
        and not any(name.startswith(UNRESOLVED) for name in statement.organizations)
    )
    return _Entry(position, statement, root, domains, own_only)


def _voice(entry: _Entry, request: Request, subject: Subject, source: str, vocabulary: Vocabulary) -> Voice:
    statement, root = entry.statement, entry.root
    elsewhere = statement.scope == "research" and request.purpose not in vocabulary.granted["HRESCH"]
    silent = elsewhere or (entry.own_only and source not in statement.organizations)
    answer = Answer("silent", root.path) if silent else evaluate(root, request, subject, vocabulary)
    ended = statement.opens_until is not None and request.at >= statement.opens_until
    return Voice(
        entry.position, statement, entry.domains, answer, ended, _opens_in(entry.domains, subject, vocabulary)
    )


def _opens_in(domains: tuple[str, ...], subject: Subject, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Those that permit at all; one of labelled records (a Part 2 program's) only about these."""
    known = [(name, vocabulary.file.domains[name]) for name in domains]
    return tuple(
        name
        for name, domain in known
        if domain.permits and (not domain.only_labelled or not subject.marks.isdisjoint(domain.only_labelled))
    )


def may_open(voice: Voice, source: str, vocabulary: Vocabulary) -> bool:
    """A permit counts for a person certainly meant, from some domains only for the discloser's records."""
    if voice.answer.verdict != "permit" or voice.ended or not voice.statement.certain or not voice.opens_in:
        return False
    own_only = any(vocabulary.file.domains[name].only_source for name in voice.domains)
    return not own_only or source in voice.statement.organizations
