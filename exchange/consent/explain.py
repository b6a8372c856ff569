"""A decision in sentences a privacy officer can check: rule, source, consent and provision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import decide
from exchange.consent.directives.normal_form import Provision
from exchange.consent.rules.ruleset import Rules
from exchange.model.records import Decision, Viewer

_GUARDS = {
    "unknown-participant": "The requester is no participant of the exchange.",
    "unknown-role": "The requester has no such role.",
    "unknown-purpose": "The purpose of use is not one the vocabulary knows.",
    "unknown-action": "The rules have no word for what the requester wants to do.",
    "unknown-source": "The source of the record is no participant of the exchange.",
    "unknown-confidentiality": "The record's confidentiality is not one the vocabulary knows.",
    "unknown-label": "The record has a label the vocabulary does not know.",
    "silence": "No rule and no consent permits it.",
}


def explain(
    cls: DisclosureClass,
    viewer: Viewer,
    context: Context,
    at: datetime,
    origins: Sequence[Sequence[str]] = (),
) -> tuple[str, ...]:
    """Sentences for decide() on the same arguments; `origins` (of the same directives) name the consents."""
    answer = decide(cls, viewer, context, at)
    record = f"{cls.type} of {cls.source}" + (f" labelled {', '.join(cls.labels)}" if cls.labels else "")
    head = f"{viewer.participant} for {viewer.purpose} on {at:%Y-%m-%d}: {answer.effect} {record}."
    reasons = tuple(_sentence(reason, cls, context.rules, answer, origins) for reason in answer.because)
    return (head, *reasons, *_conditions(answer, context.rules))


def _sentence(
    reason: str, cls: DisclosureClass, rules: Rules, answer: Decision, origins: Sequence[Sequence[str]]
) -> str:
    if reason.startswith("consent:"):
        _, position, path = reason.split(":", 2)
        return _consent_sentence(int(position), path, cls, answer, origins)
    if reason in _GUARDS:
        return _GUARDS[reason]
    policy = next(rule.policy for rule in rules.rules if rule.policy.id == reason)
    return f"{policy.title} ({policy.id}; {policy.citation}; source checked: {policy.mark})."


def _consent_sentence(
    position: int, path: str, cls: DisclosureClass, answer: Decision, origins: Sequence[Sequence[str]]
) -> str:
    named = (
        ", ".join(origins[position]) if position < len(origins) else f"Statement {position} of the profile"
    )
    if answer.effect == "permit":
        return f"{named} permits in Consent.{path}."
    refuses = _provision_at(path, cls, position).type == "deny"
    return f"{named} {'refuses' if refuses else 'does not reach this'} in Consent.{path}."


def _provision_at(path: str, cls: DisclosureClass, position: int) -> Provision:
    if cls.profile is None:
        raise ValueError("a consent was named for a record about nobody")
    provision = cls.profile.statements[position].root
    for step in path.split(".")[1:]:
        provision = provision.provisions[int(step.removeprefix("provision[").removesuffix("]"))]
    return provision


def _conditions(answer: Decision, rules: Rules) -> tuple[str, ...]:
    if answer.effect == "deny":
        return ()
    texts = rules.vocabulary.file.obligations
    relationship = ("Only with a care relationship with the person.",) if answer.needs_relationship else ()
    return (*relationship, *(f"Obligation {name}: {texts[name]}" for name in sorted(answer.obligations)))
