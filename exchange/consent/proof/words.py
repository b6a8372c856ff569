"""A counterexample in sentences a privacy officer can check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from exchange.consent.classes import DisclosureClass
from exchange.consent.participants import Participant
from exchange.consent.proof.prover import Counterexample
from exchange.consent.proof.space import REPOSITORY_CODE
from exchange.consent.proof.stored import Breach
from exchange.consent.rules.ruleset import Rules
from exchange.model.audit import Giving
from exchange.model.records import Decision

Say = Callable[[str], str]
"""A text in the reader's language, itself where there is none; the catalogues hold what `say` marks."""


def plain(text: str) -> str:
    """English, as it stands here."""
    return text


def sentences(found: Counterexample, rules: Rules, say: Say = plain) -> tuple[str, ...]:
    """Who asks for what, whose record it is, what the person said, and what was answered why."""
    point = found.point
    own = point.requester.code == point.source.code
    asking = say("the organization the record is from") if own else participant_words(point.requester, say)
    labels = say("labelled %(labels)s") % {"labels": ", ".join(point.labels)}
    said = [
        say("The person has given %(consent)s.") % {"consent": consent.told(say)}
        for consent in found.consents
    ]
    silent = [say("The person has said nothing.")] if point.about == "person" else []
    return (
        say("%(who)s asks to %(action)s for %(purpose)s as %(role)s on %(day)s.")
        % {
            "who": asking[0].upper() + asking[1:],
            "action": say(point.action),
            "purpose": point.purpose,
            "role": point.role,
            "day": f"{point.at:%Y-%m-%d}",
        },
        say("The record: type %(type)s, about %(about)s, confidentiality %(level)s, %(labels)s.")
        % {
            "type": point.type,
            "about": say("a person") if point.about == "person" else say("nobody"),
            "level": point.confidentiality,
            "labels": labels if point.labels else say("without labels"),
        },
        say("It comes from %(source)s.") % {"source": participant_words(point.source, say)},
        *(said or silent),
        *answer_words(found.decision, rules, tuple(one.told(say) for one in found.consents), say),
    )


def participant_words(who: Participant, say: Say = plain) -> str:
    """The facts the law attaches to."""
    if who.code == REPOSITORY_CODE:
        return say("the exchange itself")
    facts = [
        say("a covered entity") if who.covered_entity else say("outside HIPAA"),
        *([say("a Part 2 program")] if who.part2_program else []),
        say("in %(state)s") % {"state": who.state} if who.state != "other" else say("in another state"),
        say("agreement %(kind)s") % {"kind": who.agreement}
        if who.agreement_from
        else say("without an agreement in force"),
    ]
    article = "an" if who.type[0] in "aeiou" else "a"
    named = f"{article} {who.type}" if say is plain else say(who.type)
    return f"{named} ({', '.join(facts)})"


GIVING_WORDS: Mapping[Giving, str] = {"access": "asked for", "disclose": "sent by itself"}
"""How somebody gets a record, in words: an answer to a question, or something sent to him or in a file."""


def answer_words(
    answer: Decision, rules: Rules, consents: tuple[str, ...], say: Say = plain
) -> tuple[str, ...]:
    """The decision with what caused it; `consents` by position."""
    head = (
        _permit_words(answer.needs_relationship, answer.obligations, say)
        if answer.effect == "permit"
        else say("Answer: deny.")
    )
    return (head, *_because_words(answer.because, rules, consents, say))


def _permit_words(needs_relationship: bool, obligations: Iterable[str], say: Say = plain) -> str:
    told = ", ".join(map(say, sorted(obligations))) or say("none")
    if needs_relationship:
        return say("Answer: permit, with a care relationship, obligations: %(told)s.") % {"told": told}
    return say("Answer: permit, without a care relationship, obligations: %(told)s.") % {"told": told}


def _because_words(
    reasons: Iterable[str], rules: Rules, consents: tuple[str, ...], say: Say = plain
) -> tuple[str, ...]:
    policies = {rule.policy.id: rule.policy for rule in rules.rules}
    because = []
    for reason in reasons:
        if reason.startswith("consent:"):
            _, position, path = reason.split(":", 2)
            number = int(position)
            named = (
                consents[number]
                if number < len(consents)
                else say("statement %(number)s") % {"number": position}
            )
            because.append(f"{named} (Consent.{path})")
        elif reason in policies:
            because.append(f"{say(policies[reason].title)} ({reason}; {say(policies[reason].citation)})")
        else:
            because.append(say(reason))
    return tuple(say("Because of: %(reason)s.") % {"reason": text} for text in because)


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
    return (head, who, permit, *_because_words(shown.because, rules, ()))
