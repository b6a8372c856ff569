"""The content of `consent/`, checked and compiled."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from exchange.consent.content import Lines, line_of, load
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.rules.canonical import digest
from exchange.consent.rules.codelists import CodeLists, parse_code_lists
from exchange.consent.rules.conditions import Asked, Test, applies, asked
from exchange.consent.rules.elements import ELEMENTS, NO_ELEMENTS, Elements, parse_elements
from exchange.consent.rules.minors import MINORS, NOBODYS, Minors, parse_minors
from exchange.consent.rules.policies import Condition, Policy, PolicyFile
from exchange.consent.rules.vocabulary import Vocabulary, parse_vocabulary
from exchange.model.errors import ContentError
from exchange.model.records import Files

VOCABULARY = "vocabulary.yaml"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A policy ready to be asked: `applies` is its condition, `starts` and `ends` (exclusive) its time.

    `asked`: whether it may apply to an action and a purpose at all.
    """

    policy: Policy
    applies: Test
    asked: Asked
    starts: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Vocabulary, code lists and policies of one version of `consent/`, named by its digest.

    `labelling` is the digest of what gives labels alone; `boundaries` are the moments a rule begins or ends;
    between two of them the same rules are in force.
    """

    digest: str
    labelling: str
    vocabulary: Vocabulary
    lists: CodeLists
    minors: Minors
    elements: Elements
    rules: tuple[Rule, ...]
    boundaries: tuple[datetime, ...]
    slices: tuple[tuple[Rule, ...], ...]

    def in_force(self, at: datetime) -> int:
        """Which of `slices` counts at that moment."""
        return bisect_right(self.boundaries, at)


def parse_rules(files: Files) -> Rules:
    """Raises ContentError naming file, line, field and what would be valid."""
    if VOCABULARY not in files:
        raise ContentError("missing", file=VOCABULARY)
    vocabulary = parse_vocabulary(VOCABULARY, files[VOCABULARY])
    policies = _policies(files, vocabulary)
    lists, minors = parse_code_lists(files, vocabulary), parse_minors(files, vocabulary)
    compiled = compile_rules(_binding(files), vocabulary, lists, policies, minors)
    return replace(compiled, elements=parse_elements(files, vocabulary))


def complete_rules(files: Files) -> Rules:
    """parse_rules() of a whole folder: a file that is named and not there is an error, and not fewer rules.

    Without a list nothing would be labelled, and without a law's file the others would open what it closes.
    """
    rules = parse_rules(files)
    missing = sorted(set(rules.vocabulary.file.files) - files.keys())
    if missing:
        raise ContentError(
            "is not there; put it back, or take its name out of `files` in vocabulary.yaml", file=missing[0]
        )
    return rules


def unnamed(files: Files, rules: Rules) -> list[str]:
    """Files that decide and would be missed by nobody, as vocabulary.yaml does not name them."""
    return sorted(_binding(files).keys() - {VOCABULARY, *rules.vocabulary.file.files})


def _binding(files: Files) -> dict[str, str]:
    """The files that decide; cases and explanations may change without changing the digest."""
    return {
        name: text
        for name, text in files.items()
        if name in (VOCABULARY, MINORS, ELEMENTS) or name.startswith(("labels/", "policies/"))
    }


def compile_rules(
    files: Mapping[str, str],
    vocabulary: Vocabulary,
    lists: CodeLists,
    policies: Iterable[Policy],
    minors: Minors = NOBODYS,
) -> Rules:
    """Rules over `policies` only; the digest names the files and the policies taken."""
    rules = tuple(_rule(policy, vocabulary) for policy in policies)
    boundaries = sorted({moment for rule in rules for moment in (rule.starts, rule.ends) if moment})
    return Rules(
        digest=digest([dict(files), sorted(rule.policy.id for rule in rules)]),
        labelling=digest({name: text for name, text in files.items() if _gives_labels(name)}),
        vocabulary=vocabulary,
        lists=lists,
        minors=minors,
        elements=NO_ELEMENTS,
        rules=rules,
        boundaries=tuple(boundaries),
        slices=((), *(tuple(rule for rule in rules if _in_force(rule, at)) for at in boundaries)),
    )


def _gives_labels(name: str) -> bool:
    return name != ELEMENTS and not name.startswith("policies/")


def without(rules: Rules, policy_id: str) -> Rules:
    """The same rules as if `policy_id` had never been written."""
    kept = [rule.policy for rule in rules.rules if rule.policy.id != policy_id]
    return compile_rules({"from": rules.digest}, rules.vocabulary, rules.lists, kept, rules.minors)


def _rule(policy: Policy, vocabulary: Vocabulary) -> Rule:
    until = policy.in_force.until
    return Rule(
        policy=policy,
        applies=applies(policy, vocabulary),
        asked=asked(policy.when, vocabulary),
        starts=_midnight(policy.in_force.from_),
        ends=_midnight(until + timedelta(days=1)) if until else None,
    )


def _midnight(day: date, zone: ZoneInfo = EXCHANGE_ZONE) -> datetime:
    return datetime.combine(day, time(), zone)


def _in_force(rule: Rule, at: datetime) -> bool:
    return rule.starts <= at and (rule.ends is None or at < rule.ends)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a policy stands, for errors."""

    file: str
    lines: Lines
    path: tuple[str | int, ...]

    def error(self, message: str, field: str, valid: Iterable[str] = ()) -> ContentError:
        line = line_of(self.lines, *self.path)
        return ContentError(message, file=self.file, line=line, field=field, valid=valid)

    def check(self, field: str, words: Iterable[str], valid: Iterable[str]) -> None:
        known = set(valid)
        for word in words:
            if word not in known:
                raise self.error("unknown word", f"{field}.{word}", known)


def _policies(files: Files, vocabulary: Vocabulary) -> list[Policy]:
    found: dict[str, Policy] = {}
    for name in sorted(file for file in files if file.startswith("policies/")):
        read, lines = load(PolicyFile, name, files[name])
        _Place(name, lines, ("pack",)).check("pack", [read.pack], vocabulary.file.all_packs)
        for position, policy in enumerate(read.policies):
            place = _Place(name, lines, ("policies", position))
            _check(policy, vocabulary, place)
            if policy.id in found:
                raise place.error(f"two rules are called {policy.id}", "id")
            if read.pack in vocabulary.file.packs:
                found[policy.id] = policy
    _contradictions(found.values())
    return list(found.values())


def _check(policy: Policy, vocabulary: Vocabulary, place: _Place) -> None:
    words = vocabulary.file
    for condition in (policy.when, *policy.unless):
        _check_condition(condition, vocabulary, place)
    place.check("obligations", policy.obligations, words.obligations)
    place.check("lifts", policy.lifts, words.domains)
    place.check("consent.domain", policy.consent.domain if policy.consent else (), words.domains)
    problem = _incomplete(policy)
    if problem:
        raise place.error(problem, policy.id)


def _check_condition(condition: Condition, vocabulary: Vocabulary, place: _Place) -> None:
    record = condition.record
    place.check("purpose", condition.purpose, vocabulary.granted)
    place.check("record.label", record.label, vocabulary.atoms | vocabulary.marks)
    bounds = [level for level in (record.at_least, record.at_most) if level]
    place.check("record", bounds, vocabulary.levels)


def _incomplete(policy: Policy) -> str | None:
    if (policy.effect == "required") != (policy.consent is not None and bool(policy.consent.domain)):
        return "`consent.domain` belongs to effect `required`, and only there"
    if policy.effect == "obligation" and not policy.obligations:
        return "effect `obligation` needs `obligations`"
    if policy.waived_if_named and policy.effect != "relationship":
        return "`waived_if_named` belongs to effect `relationship`"
    if policy.lifts and policy.effect != "emergency-only":
        return "`lifts` belongs to effect `emergency-only`"
    if policy.mark == "R" and policy.reviewer is None:
        return "a remembered source (mark R) needs a `reviewer` before the rule may count"
    if policy.in_force.until and policy.in_force.until < policy.in_force.from_:
        return "`in_force` ends before it begins"
    return None


def _contradictions(policies: Iterable[Policy]) -> None:
    scopes: dict[str, Policy] = {}
    for policy in policies:
        scope = digest(
            [policy.when.model_dump(mode="json"), [u.model_dump(mode="json") for u in policy.unless]]
        )
        other = scopes.setdefault(scope, policy)
        if {other.effect, policy.effect} in ({"prohibited", "allowed"}, {"prohibited", "released"}):
            raise ContentError(f"{policy.id} and {other.id} say the opposite about the same", field=policy.id)
