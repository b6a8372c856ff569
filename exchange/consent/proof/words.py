"""A counterexample in sentences a privacy officer can check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exchange.consent.classes import DisclosureClass
from exchange.consent.participants import Participant
from exchange.consent.proof.prover import Counterexample
from exchange.consent.proof.space import REPOSITORY_CODE
from exchange.consent.proof.stored import Breach
from exchange.consent.rules.ruleset import Rules
from exchange.model.audit import Giving
from exchange.model.records import Decision


def sentences(found: Counterexample, rules: Rules) -> tuple[str, ...]:
    """Who asks for what, whose record it is, what the person said, and what was answered why."""
    point = found.point
    own = point.requester.code == point.source.code
    source = participant_words(point.source)
    asking = "the organization the record is from" if own else participant_words(point.requester)
    labels = f"labelled {', '.join(point.labels)}" if point.labels else "without labels"
    about = "a person" if point.about == "person" else "nobody"
    said = [f"The person has given {consent.words}." for consent in found.consents]
    return (
        f"{asking[0].upper()}{asking[1:]} asks to {point.action} for {point.purpose} as {point.role}"
        f" on {point.at:%Y-%m-%d}.",
        f"The record: type {point.type}, about {about}, confidentiality {point.confidentiality}, {labels}.",
        f"It comes from {source}.",
        *(said or (["The person has said nothing."] if point.about == "person" else [])),
        *answer_words(found.decision, rules, tuple(consent.words for consent in found.consents)),
    )


def participant_words(who: Participant) -> str:
    """The facts the law attaches to."""
    if who.code == REPOSITORY_CODE:
        return "the exchange itself"
    facts = [
        "a covered entity" if who.covered_entity else "outside HIPAA",
        *(["a Part 2 program"] if who.part2_program else []),
        f"in {who.state}" if who.state != "other" else "in another state",
        f"agreement {who.agreement}" if who.agreement_from else "without an agreement in force",
    ]
    article = "an" if who.type[0] in "aeiou" else "a"
    return f"{article} {who.type} ({', '.join(facts)})"


GIVING_WORDS: Mapping[Giving, str] = {"access": "asked for", "disclose": "sent by itself"}
"""How somebody gets a record, in words: an answer to a question, or something sent to him or in a file."""


def answer_words(answer: Decision, rules: Rules, consents: tuple[str, ...]) -> tuple[str, ...]:
    """The decision with what caused it; `consents` by position."""
    head = (
        _permit_words(answer.needs_relationship, answer.obligations)
        if answer.effect == "permit"
        else f"Answer: {answer.effect}"
    )
    return (f"{head}.", *_because_words(answer.because, rules, consents))


def _permit_words(needs_relationship: bool, obligations: Iterable[str]) -> str:
    relationship = "with a care relationship" if needs_relationship else "without a care relationship"
    return f"Answer: permit, {relationship}, obligations: {', '.join(sorted(obligations)) or 'none'}"


def _because_words(reasons: Iterable[str], rules: Rules, consents: tuple[str, ...]) -> tuple[str, ...]:
    policies = {rule.policy.id: rule.policy for rule in rules.rules}
    because = []
    for reason in reasons:
        if reason.startswith("consent:"):
            _, position, path = reason.split(":", 2)
            number = int(position)
            named = consents[number] if number < len(consents) else f"statement {position}"
            because.append(f"{named} (Consent.{path})")
        elif reason in policies:
            because.append(f"{policies[reason].title} ({reason}; {policies[reason].citation})")
        else:
            because.append(reason)
    return tuple(f"Because of: {text}." for text in because)


def breach_sentences(found: Breach, cls: DisclosureClass, rules: Rules) -> tuple[str, ...]:
    """Which class, which viewer, and what permits it: for somebody who looks it up in the repository."""
    viewer, labels = found.viewer, ", ".join(cls.labels) or "no label"
    record = f"{cls.type} of {cls.source}, confidentiality {cls.confidentiality}, {labels}"
    about = f", of people with {len(cls.profile.statements)} consents" if cls.profile else ", about nobody"
    head = f"Class {found.number}: {record}{about}."
    who = f"Viewer: {viewer.participant} as {viewer.role} for {viewer.purpose}."
    if found.shown is None:
        return head, who, "Answer: deny; nothing in force permits it."
    shown = found.shown
    permit = _permit_words(shown.needs_relationship, shown.obligations)
    return (head, who, f"{permit}.", *_because_words(shown.because, rules, ()))
