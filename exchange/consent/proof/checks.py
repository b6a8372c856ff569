"""What is wrong with rules themselves: contradictory, shadowed, unreachable, expired, uncited, unreviewed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal, NamedTuple

from exchange.consent.content import line_of, load
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.invariants import Written, read_invariants
from exchange.consent.proof.space import Search, points
from exchange.consent.rules.codelists import COUNTED, STEWARD, rows_of
from exchange.consent.rules.elements import ELEMENTS
from exchange.consent.rules.minors import MINORS
from exchange.consent.rules.policies import Policy, PolicyFile
from exchange.consent.rules.ruleset import Rules, compile_rules, complete_rules, unnamed
from exchange.consent.words import parse_words
from exchange.model.errors import ContentError
from exchange.model.records import Files

Kind = Literal[
    "unreadable",
    "contradictory",
    "shadowed",
    "unreachable",
    "expired",
    "uncited",
    "unreviewed",
    "switched-off",
    "miscounted",
]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong: with which rule, where that stands (`consent/<file>:<line>`), what would be right."""

    kind: Kind
    rule: str
    place: str
    problem: str
    remedy: str


class _Read(NamedTuple):
    files: Files
    rules: Rules
    places: Mapping[str, str]
    invariants: Sequence[Written]


_Look = Callable[[_Read, date], Iterable[Flaw]]


def check(files: Files, today: date) -> list[Flaw]:
    """Everything that is wrong with the rules as of today; a file that cannot be read is all that is told."""
    return _found(files, today, (_of_each, _of_all))


def check_each(files: Files, today: date) -> list[Flaw]:
    """What is wrong with each rule and each list by itself: the rules are not held against each other."""
    return _found(files, today, (_of_each,))


def _found(files: Files, today: date, looks: Sequence[_Look]) -> list[Flaw]:
    try:
        places, rules = _places(files), complete_rules(files)
        read = _Read(files, rules, places, read_invariants(files, rules.vocabulary))
    except ContentError as error:
        return [_unreadable(error, files)]
    found = [flaw for look in looks for flaw in look(read, today)]
    return sorted(found, key=lambda flaw: (flaw.place.rpartition(":")[0], _line(flaw.place), flaw.kind))


def _of_each(read: _Read, today: date) -> Iterator[Flaw]:
    rules, files = read.rules, read.files
    for rule in rules.rules:
        yield from _of_one(rule.policy, read.places, today)
    for written in read.invariants:
        due = written.invariant.review_by
        if due < today:
            yield Flaw("unreviewed", written.invariant.id, written.place, _overdue(due), _LOOK)
    for profile in rules.elements.file.profiles:
        if profile.review_by < today:
            due = profile.review_by
            yield Flaw("unreviewed", profile.id, f"consent/{ELEMENTS}", _overdue(due), _LOOK)
    yield from _overdue_lists(files, today)
    yield from miscounted(files)
    for name in unnamed(files, rules):
        problem = "vocabulary.yaml does not name it under `files`, so nobody would notice if it was gone"
        yield Flaw("miscounted", name, f"consent/{name}", problem, "write its name there")
    yield from _unspoken(files)
    used = {rule.policy.id for rule in rules.rules} | _left_off(files, rules)
    for name, place in read.places.items():
        if name not in used:
            yield Flaw("switched-off", name, place, "its pack is not switched on", _SWITCH)


def _overdue_lists(files: Files, today: date) -> Iterator[Flaw]:
    """Code lists and the table of minors' care, by the day their head names."""
    for name in _lists(files):
        head = STEWARD.search(files[name])
        if head and date.fromisoformat(head[1]) < today:
            line = files[name][: head.start()].count("\n") + 1
            yield Flaw(
                "unreviewed", name, f"consent/{name}:{line}", _overdue(date.fromisoformat(head[1])), _LOOK
            )


def miscounted(files: Files) -> Iterator[Flaw]:
    """Lists that do not have the rows their head says: one that lost some elsewhere looks like any other."""
    for name in _lists(files):
        head = COUNTED.search(files[name])
        there = rows_of(files[name])
        if head is None or int(head[1]) != there:
            line = files[name][: head.start()].count("\n") + 1 if head else 1
            problem = f"its head does not say how many rows it has, and there are {there}"
            if head:
                problem = f"its head says {head[1]} rows, and there are {there}"
            yield Flaw(
                "miscounted", name, f"consent/{name}:{line}", problem,
                f"write `# rows: {there}` into its head, if no row was lost",
            )  # fmt: skip


def _unspoken(files: Files) -> Iterator[Flaw]:
    """Translations that cannot be read: the rules hold, and are told in English."""
    try:
        parse_words(files)
    except ContentError as error:
        name, place = str(error.file).removeprefix("consent/"), f"{error.file}:{error.line}"
        yield Flaw(
            "unreadable", name, place, str(error), "correct the line named; titles are English until then"
        )


def _lists(files: Files) -> list[str]:
    return sorted(name for name in files if name == MINORS or name.startswith("labels/"))


_LOOK = "read its source again, correct what has changed, and set a new `review_by`"
_SWITCH = "add the pack to `packs` in vocabulary.yaml, or leave it: the rule does not count"


def _line(place: str) -> int:
    line = place.rpartition(":")[2]
    return int(line) if line.isdigit() else 0


def _places(files: Files) -> dict[str, str]:
    """Where each rule stands."""
    found: dict[str, str] = {}
    for name in sorted(file for file in files if file.startswith("policies/")):
        read, lines = load(PolicyFile, name, files[name])
        for position, policy in enumerate(read.policies):
            found.setdefault(policy.id, f"consent/{name}:{line_of(lines, 'policies', position)}")
    return found


def _left_off(files: Files, rules: Rules) -> set[str]:
    """Rules of the packs that a community leaves off on purpose."""
    read = [load(PolicyFile, name, text)[0] for name, text in files.items() if name.startswith("policies/")]
    off = rules.vocabulary.file.packs_off
    return {policy.id for one in read if one.pack in off for policy in one.policies}


def _unreadable(error: ContentError, files: Files) -> Flaw:
    """The error as a flaw; two rules that say the opposite are known by the name of one of them."""
    opposite = "say the opposite" in str(error)
    place = f"consent/{error.file}:{error.line}" if error.file else ""
    if opposite:
        place = _places(files).get(error.field, place)
    valid = f"one of: {', '.join(error.valid)}" if error.valid else "correct the line named"
    remedy = "delete the one that is wrong, or say in `unless` when it does not hold" if opposite else valid
    says = error.words.partition("; valid here: ")[0]
    return Flaw("contradictory" if opposite else "unreadable", error.field or error.file, place, says, remedy)


def _of_one(policy: Policy, places: Mapping[str, str], today: date) -> Iterator[Flaw]:
    place = places[policy.id]
    until = policy.in_force.until
    if until is not None and until < today:
        yield Flaw(
            "expired", policy.id, place, f"it ended on {until}", "delete it, or extend `in_force.until`"
        )
    if not policy.citation.strip() or policy.citation.strip().upper() in ("TODO", "TBD", "?"):
        yield Flaw("uncited", policy.id, place, "it names no source", "write the section it follows")
    if policy.review_by < today:
        yield Flaw("unreviewed", policy.id, place, _overdue(policy.review_by), _LOOK)


def _overdue(day: date) -> str:
    return f"it was to be looked at again by {day}"


def _of_all(read: _Read, today: date) -> Iterator[Flaw]:
    rules, places = read.rules, read.places
    since = datetime.combine(today, time(12), EXCHANGE_ZONE)
    policies = [rule.policy for rule in rules.rules if not _over(rule.policy, today)]
    for policy in policies:
        if not _applying(policy, [], policies, rules, since):
            yield Flaw("unreachable", policy.id, places[policy.id], _NOWHERE, _WIDEN)
            continue
        stronger = [other for other in policies if other is not policy and _silences(other, policy)]
        if _applying(policy, stronger, policies, rules, since):
            continue
        blamed = _smallest(policy, stronger, policies, rules, since)
        named = " and ".join(f"{other.id} ({places[other.id]})" for other in blamed)
        if any(_opposite(policy, other) and _same(policy, other, policies, rules, since) for other in blamed):
            problem = f"it says the opposite of {named} about the same requests"
            yield Flaw("contradictory", policy.id, places[policy.id], problem, _DECIDE)
        else:
            problem = f"wherever it applies, {named} decides without it"
            yield Flaw("shadowed", policy.id, places[policy.id], problem, _DELETE)


_NOWHERE = "no request and no record meets `when` without meeting an `unless`"
_WIDEN = "correct the condition that cannot be met, or delete the rule"
_DECIDE = "delete the one that is wrong, or say in `unless` when it does not hold"
_DELETE = "delete it, or narrow the other rule so that this one has something to say"


def _over(policy: Policy, today: date) -> bool:
    return policy.in_force.until is not None and policy.in_force.until < today


def _applying(
    policy: Policy, closed: Sequence[Policy], policies: Iterable[Policy], rules: Rules, since: datetime
) -> bool:
    """Is there a request to which the policy applies and none of `closed` does?"""
    few = [other for other in policies if other is policy or any(other is c for c in closed)]
    bits = {other.id: 1 << position for position, other in enumerate(few)}
    subset = compile_rules({"of": rules.digest}, rules.vocabulary, rules.lists, few)
    shut = sum(bits[other.id] for other in closed)
    search = Search(subset, since, needed=bits[policy.id], closed=shut)
    return next(points(search), None) is not None


def _smallest(
    policy: Policy, stronger: list[Policy], policies: Sequence[Policy], rules: Rules, since: datetime
) -> list[Policy]:
    """Those of the stronger rules that are needed to leave the policy nothing to say."""
    needed = list(stronger)
    for other in stronger:
        rest = [one for one in needed if one is not other]
        if not _applying(policy, rest, policies, rules, since):
            needed = rest
    return needed


def _same(one: Policy, other: Policy, policies: Sequence[Policy], rules: Rules, since: datetime) -> bool:
    """Whether the other applies nowhere but where the one does, too."""
    return not _applying(other, [one], policies, rules, since)


def _opposite(one: Policy, other: Policy) -> bool:
    return {one.effect, other.effect} in ({"prohibited", "allowed"}, {"prohibited", "released"})


_BEFORE = ("prohibited", "released", "emergency-only")
_RANK = {effect: rank for rank, effect in enumerate((*_BEFORE, "required", "allowed"))}


def _silences(other: Policy, policy: Policy) -> bool:
    """Whether the policy has nothing to say wherever the other applies."""
    if other.effect == policy.effect:
        return _as_strong(other, policy)
    if policy.effect in ("relationship", "own-consent"):
        return other.effect in _BEFORE
    if policy.effect == "obligation":
        return other.effect == "prohibited"
    return other.effect in _RANK and _RANK[other.effect] < _RANK[policy.effect]


def _as_strong(other: Policy, policy: Policy) -> bool:
    """Two of one effect: everything the policy asks for, the other asks for, too."""
    owed = set(other.obligations).issuperset(policy.obligations)
    if policy.effect == "required" and policy.consent and other.consent:
        mine, its = policy.consent, other.consent
        stricter = all(getattr(its, n) >= getattr(mine, n) for n in ("named", "written", "time_limited"))
        return owed and stricter and set(its.domain).issubset(mine.domain)
    if policy.effect == "relationship":
        return not other.waived_if_named or policy.waived_if_named
    if policy.effect == "emergency-only":
        return owed and set(other.lifts).issubset(policy.lifts)
    return owed
