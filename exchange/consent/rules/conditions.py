"""The conditions of policies, compiled to predicates over the facts of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exchange.consent.participants import Participant
from exchange.consent.rules.policies import Condition, Party, Policy, Record
from exchange.consent.rules.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Facts:
    """All a policy may look at; `atom` is the label being decided, None when the record has none.

    `source_bound` and `requester_bound`: their agreements are in force; `about` is person or nobody.
    """

    source: Participant
    requester: Participant
    source_bound: bool
    requester_bound: bool
    role: str
    purpose: str
    action: str
    type: str
    about: str
    confidentiality: str
    labels: frozenset[str]
    atom: str | None

    def __hash__(self) -> int:
        """By what mostly differs: gates are looked up for every atom of every decision."""
        asked = (self.requester, self.role, self.purpose, self.action)
        return hash((self.source, asked, self.type, self.labels, self.atom))


Test = Callable[[Facts], bool]
Asked = Callable[[str, str], bool]
"""Whether an action and a purpose are among those of a condition."""


def applies(policy: Policy, vocabulary: Vocabulary) -> Test:
    """True where `when` holds and no `unless` does."""
    when = holds(policy.when, vocabulary)
    exceptions = [holds(condition, vocabulary) for condition in policy.unless]
    return lambda facts: when(facts) and not any(exception(facts) for exception in exceptions)


def holds(condition: Condition, vocabulary: Vocabulary) -> Test:
    """One condition by itself."""
    return _all(list(_tests(condition, vocabulary)))


def asked(condition: Condition, vocabulary: Vocabulary) -> Asked:
    """Where it does not hold, the condition does not either."""
    actions, purposes = frozenset(condition.action), _purposes(condition, vocabulary)
    return lambda action, purpose: (
        (not actions or action in actions) and (not purposes or purpose in purposes)
    )


def _purposes(condition: Condition, vocabulary: Vocabulary) -> frozenset[str]:
    return frozenset().union(*(vocabulary.granted[purpose] for purpose in condition.purpose))


def _all(tests: list[Test]) -> Test:
    return lambda facts: all(test(facts) for test in tests)


def _tests(condition: Condition, vocabulary: Vocabulary) -> Iterator[Test]:
    if condition.action:
        actions = frozenset(condition.action)
        yield lambda facts: facts.action in actions
    if condition.purpose:
        purposes = _purposes(condition, vocabulary)
        yield lambda facts: facts.purpose in purposes
    yield from _party_tests(condition.source, lambda facts: (facts.source, facts.source_bound, facts))
    yield from _party_tests(
        condition.requester, lambda facts: (facts.requester, facts.requester_bound, facts)
    )
    yield from _record_tests(condition.record, vocabulary)


def _party_tests(party: Party, side: Callable[[Facts], tuple[Participant, bool, Facts]]) -> Iterator[Test]:
    for name in ("type", "state", "agreement"):
        if wanted := frozenset(getattr(party, name)):
            yield lambda facts, name=name, wanted=wanted: getattr(side(facts)[0], name) in wanted  # type: ignore[misc]
    for name in ("covered_entity", "part2_program"):
        if (value := getattr(party, name)) is not None:
            yield lambda facts, name=name, value=value: getattr(side(facts)[0], name) is value  # type: ignore[misc]
    if party.role:
        roles = frozenset(party.role)
        yield lambda facts: facts.role in roles
    if party.agreement_in_force is not None:
        yield lambda facts: side(facts)[1] is party.agreement_in_force
    if party.is_source is not None:
        yield lambda facts: (facts.requester.code == facts.source.code) is party.is_source


def _record_tests(record: Record, vocabulary: Vocabulary) -> Iterator[Test]:
    if record.type:
        types = frozenset(record.type)
        yield lambda facts: facts.type in types
    if record.about:
        yield lambda facts: facts.about == record.about
    if record.label:
        atoms = frozenset().union(*(vocabulary.permits.get(label, frozenset()) for label in record.label))
        marks = vocabulary.marks.intersection(record.label)
        yield lambda facts: facts.atom in atoms or not marks.isdisjoint(facts.labels)
    levels = vocabulary.levels
    if record.at_least:
        lowest = levels[record.at_least]
        yield lambda facts: levels[facts.confidentiality] >= lowest
    if record.at_most:
        highest = levels[record.at_most]
        yield lambda facts: levels[facts.confidentiality] <= highest
