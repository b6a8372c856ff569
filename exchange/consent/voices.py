"""What the statements of a profile say about one atom of a record, each in its own domain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from exchange.consent.profiles import Profile, Statement
from exchange.consent.trees import Answer, Node, Request, Subject, evaluate, trees
from exchange.consent.vocabulary import Vocabulary

_SEVERITY = {"deny": 0, "uncovered": 1, "silent": 2, "permit": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """One statement's answer and the domains it speaks in; it is itself and equal to no other."""

    position: int
    statement: Statement
    domains: tuple[str, ...]
    answer: Answer

    @property
    def because(self) -> str:
        return f"consent:{self.position}:{self.answer.path}"


@lru_cache(maxsize=1 << 17)
def heard_by(
    profile: Profile, request: Request, subject: Subject, vocabulary: Vocabulary
) -> tuple[Voice, ...]:
    """One for each group: among statements signed at the same moment the most restrictive."""
    return tuple(
        min((_voice(entry, request, subject, vocabulary) for entry in group), key=_openness)
        for group in trees(profile)
    )


def _openness(voice: Voice) -> tuple[int, int, bool, bool]:
    answer = voice.answer
    return (_SEVERITY[answer.verdict], answer.naming, answer.ends, voice.statement.written)


def _voice(
    entry: tuple[int, Statement, Node], request: Request, subject: Subject, vocabulary: Vocabulary
) -> Voice:
    position, statement, root = entry
    elsewhere = statement.scope == "research" and request.purpose not in vocabulary.granted["HRESCH"]
    answer = Answer("silent", root.path) if elsewhere else evaluate(root, request, subject, vocabulary)
    policies = (*statement.policies, *statement.rules)
    return Voice(position, statement, vocabulary.domains_of(statement.categories, policies), answer)


def may_open(voice: Voice, source: str, vocabulary: Vocabulary) -> bool:
    """A permit counts for a person certainly meant, from some domains only for the discloser's records."""
    if voice.answer.verdict != "permit" or not voice.statement.certain:
        return False
    own_only = any(vocabulary.file.domains[name].only_source for name in voice.domains)
    return not own_only or source in voice.statement.organizations
