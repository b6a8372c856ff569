"""`consent/invariants/*.yaml`: what must be true whatever the rules say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from exchange.consent.content import Content, line_of, load
from exchange.consent.directives.trees import ANYONE
from exchange.consent.proof.archetypes import Archetype
from exchange.consent.rules.policies import Condition
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.model.errors import ContentError
from exchange.model.records import Files


class ConsentFact(Content):
    """A consent the person has given, for what is asked: what is not written does not matter.

    `named`: the requester or a class he belongs to; `time_limited`: it ends on a date; `own`: the person gave
    it, and nobody else for the person.
    """

    says: Literal["permit", "refuse"]
    domain: tuple[str, ...] = ()
    named: bool | None = None
    written: bool | None = None
    time_limited: bool | None = None
    own: bool | None = None


class Situation(Condition):
    """What rules may ask, and one consent that must be there."""

    consent: ConsentFact | None = None


class Always(Content):
    """What must come along with every permit."""

    obligations: tuple[str, ...] = ()
    relationship: bool = False


class Invariant(Content):
    """Where `when` holds and no `unless` does, `never` this answer, or `always` that along with a permit."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    citation: str
    steward: str
    review_by: date
    when: Situation = Situation()
    unless: tuple[Situation, ...] = ()
    never: Literal["permit", "deny"] | None = None
    always: Always | None = None

    @model_validator(mode="after")
    def _one_claim(self) -> Invariant:
        if (self.never is None) == (self.always is None):
            raise ValueError("write `never` or `always`, and not both")
        return self


class InvariantFile(Content):
    """Claims about the rules."""

    invariants: tuple[Invariant, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """An invariant and where it stands."""

    invariant: Invariant
    place: str


def read_invariants(files: Files, vocabulary: Vocabulary) -> list[Written]:
    """Everything under `invariants/`. Raises ContentError for a word that does not exist."""
    found: list[Written] = []
    for name in sorted(file for file in files if file.startswith("invariants/")):
        read, lines = load(InvariantFile, name, files[name])
        for position, invariant in enumerate(read.invariants):
            line = line_of(lines, "invariants", position)
            _check(invariant, vocabulary, name, line)
            if any(other.invariant.id == invariant.id for other in found):
                raise ContentError(
                    f"two invariants are called {invariant.id}", file=name, line=line, field="id"
                )
            found.append(Written(invariant, f"consent/{name}:{line}"))
    return found


def _check(invariant: Invariant, vocabulary: Vocabulary, file: str, line: int | None) -> None:
    def known(field: str, words: tuple[str, ...], valid: frozenset[str] | dict[str, object]) -> None:
        for word in words:
            if word not in valid:
                raise ContentError(
                    "unknown word", file=file, line=line, field=f"{field}.{word}", valid=list(valid)
                )

    for situation in (invariant.when, *invariant.unless):
        known("purpose", situation.purpose, frozenset(vocabulary.granted))
        known("record.label", situation.record.label, vocabulary.atoms | vocabulary.marks)
        bounds = [level for level in (situation.record.at_least, situation.record.at_most) if level]
        known("record", tuple(bounds), frozenset(vocabulary.levels))
        if situation.consent:
            known("consent.domain", situation.consent.domain, frozenset(vocabulary.file.domains))
    if invariant.always:
        known("always.obligations", invariant.always.obligations, frozenset(vocabulary.file.obligations))


def is_kind(fact: ConsentFact, consent: Archetype) -> bool:
    """Whether the consent is one of those the invariant speaks of; a flawed one is of no kind."""
    return (
        not consent.flaw
        and fact.says == consent.says
        and (not fact.domain or consent.domain in fact.domain)
        and (fact.named is None or fact.named is (consent.naming > ANYONE))
        and (fact.written is None or fact.written is consent.written)
        and (fact.time_limited is None or fact.time_limited is consent.ends)
        and (fact.own is None or fact.own is consent.own)
    )
