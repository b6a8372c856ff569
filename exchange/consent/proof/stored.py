"""Are the invariants true of what a repository really shows? Each stored permit against each of them.

The other half of prover.py: that one knows every request there could be and no repository, this one what is
in force there, whoever decided it and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.directives.trees import ANYONE, Request, Subject
from exchange.consent.directives.voices import Voice, heard_by, may_open
from exchange.consent.proof.invariants import ConsentFact, Situation, Written
from exchange.consent.proof.prover import condition_of
from exchange.consent.rules.conditions import Facts, Test, holds
from exchange.consent.rules.vocabulary import Vocabulary
from exchange.consent.standing import REPOSITORY, participant_of, standing
from exchange.model.records import Viewer


@dataclass(frozen=True, slots=True)
class Shown:
    """A permit in force: what the viewer is shown of a class, and why."""

    number: int
    viewer: Viewer
    needs_relationship: bool
    obligations: frozenset[str]
    because: tuple[str, ...]
    action: str = "access"


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant and a class and viewer that break it; `shown` None where it says that he must see it."""

    written: Written
    number: int
    viewer: Viewer
    atom: str | None
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class _Claim:
    written: Written
    when: Test
    unless: tuple[tuple[Test, ConsentFact | None], ...]

    def reaches(self, asked: _Asked) -> bool:
        """Whether it speaks of this, and makes no exception."""
        given = self.written.invariant.when.consent
        return (
            self.when(asked.facts)
            and (given is None or asked.given(given))
            and not any(
                test(asked.facts) and (fact is None or asked.given(fact)) for test, fact in self.unless
            )
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One label of one class, asked for by one viewer."""

    facts: Facts
    heard: Callable[[], tuple[Voice, ...]]
    source: str
    vocabulary: Vocabulary

    def given(self, fact: ConsentFact) -> bool:
        return any(_is_kind(fact, voice, self.source, self.vocabulary) for voice in self.heard())


def breaches(
    invariants: Iterable[Written],
    classes: Mapping[int, DisclosureClass],
    permits: Sequence[Shown],
    context: Context,
    at: datetime,
) -> Iterator[Breach]:
    """Every class and viewer that breaks an invariant; classes without any permit are held by nobody."""
    claims = [_claim(written, context.rules.vocabulary) for written in invariants]
    closed = [claim for claim in claims if claim.written.invariant.never != "deny"]
    opened = [claim for claim in claims if claim.written.invariant.never == "deny"]
    for shown in permits:
        for atom, asked in _each(classes[shown.number], shown.viewer, shown.action, context, at):
            for claim in closed:
                if _broken(claim.written, shown) and claim.reaches(asked):
                    yield Breach(claim.written, shown.number, shown.viewer, atom, shown)
    seen = {(shown.number, shown.viewer, shown.action) for shown in permits}
    everybody = dict.fromkeys((shown.viewer, shown.action) for shown in permits)
    for number in dict.fromkeys(shown.number for shown in permits) if opened else ():
        for viewer, action in everybody:
            if (number, viewer, action) in seen:
                continue
            for atom, asked in _each(classes[number], viewer, action, context, at):
                for claim in opened:
                    if claim.reaches(asked):
                        yield Breach(claim.written, number, viewer, atom, None)


def _claim(written: Written, vocabulary: Vocabulary) -> _Claim:
    def test(situation: Situation) -> Test:
        return holds(condition_of(situation), vocabulary)

    invariant = written.invariant
    return _Claim(written, test(invariant.when), tuple((test(one), one.consent) for one in invariant.unless))


def _broken(written: Written, shown: Shown) -> bool:
    always = written.invariant.always
    if always is None:
        return True
    return not shown.obligations.issuperset(always.obligations) or (
        always.relationship and not shown.needs_relationship
    )


def _each(
    cls: DisclosureClass, viewer: Viewer, action: str, context: Context, at: datetime
) -> Iterator[tuple[str | None, _Asked]]:
    """One question for each label, as every one of them must be permitted; nobody known asks nothing."""
    source, requester = context.participants.get(cls.source), participant_of(viewer.participant, context)
    asking = standing(viewer, context)
    if source is None or requester is None or asking is None:
        return
    vocabulary = context.rules.vocabulary
    names = (asking.names, asking.wider, asking.known)
    request = Request(viewer.participant, *names, action, viewer.purpose, at, viewer == REPOSITORY)
    marks = vocabulary.marks.intersection(cls.labels)
    labelled = sorted(vocabulary.atoms.intersection(cls.labels))
    atoms: list[str | None] = [*labelled] if labelled else [None]
    for atom in atoms:
        subject = Subject(atom, cls.confidentiality, marks, frozenset(cls.matched))
        facts = Facts(
            source=source,
            requester=requester,
            source_bound=source.bound_at(at),
            requester_bound=requester.bound_at(at),
            role=viewer.role,
            purpose=viewer.purpose,
            action=action,
            type=cls.type,
            about="nobody" if cls.profile is None else "person",
            confidentiality=cls.confidentiality,
            labels=frozenset(cls.labels),
            atom=atom,
        )

        def heard(subject: Subject = subject) -> tuple[Voice, ...]:
            if cls.profile is None:
                return ()
            return heard_by(cls.profile, request, subject, cls.source, vocabulary)

        yield atom, _Asked(facts, heard, cls.source, vocabulary)


def _is_kind(fact: ConsentFact, voice: Voice, source: str, vocabulary: Vocabulary) -> bool:
    """Whether one of the person's own consents is what the invariant speaks of."""
    permits = fact.says == "permit"
    says = may_open(voice, source, vocabulary) if permits else voice.answer.verdict == "deny"
    domains = voice.opens_in if permits else voice.domains
    return (
        says
        and (not fact.domain or not set(fact.domain).isdisjoint(domains))
        and (fact.named is None or fact.named is (voice.answer.naming > ANYONE))
        and (fact.written is None or fact.written is voice.statement.written)
        and (fact.time_limited is None or fact.time_limited is voice.answer.ends)
        and (fact.own is None or fact.own is (voice.statement.by == "self"))
    )


def smallest(found: Sequence[Breach], classes: Mapping[int, DisclosureClass]) -> Breach:
    """Of several that break an invariant the one with the fewest labels and consents."""

    def size(breach: Breach) -> tuple[int, int, int, str]:
        cls = classes[breach.number]
        said = len(cls.profile.statements) if cls.profile else 0
        return len(cls.labels), said, breach.number, breach.viewer.participant

    return min(found, key=size)
