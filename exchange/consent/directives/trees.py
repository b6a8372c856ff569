"""The provision tree of one consent, decided for one label atom.

Elements of a provision are ANDed, repetitions ORed, an absent element is no constraint; a child applies only
where its parents do, and a denial among siblings wins in any order (IHE PCF appendix P.4.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

from exchange.consent.directives.certainty import Match, all_of, any_of, reaches, uncertain
from exchange.consent.directives.codings import is_level, of_no_kind
from exchange.consent.directives.normal_form import Provision
from exchange.consent.directives.profiles import Profile, Statement
from exchange.consent.rules.vocabulary import Cover, Vocabulary

Verdict = Literal["deny", "permit", "uncovered", "silent"]
"""`uncovered`: the consent permits, but not this; `silent`: it has nothing to say."""

ANYONE, BY_CLASS, BY_NAME = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, in every way a consent may name him.

    `names`: his code, groups and role; `wider`: also those of the organizations he is part of; `known`: every
    name that can be resolved at all; `collecting`: it is the shared repository taking the record in.
    """

    code: str
    names: frozenset[str]
    wider: frozenset[str]
    known: frozenset[str]
    action: str
    purpose: str
    at: datetime
    collecting: bool = False

    def __hash__(self) -> int:
        """By what mostly differs: the names are long lists, and requests are looked up for every decision."""
        return hash((self.code, self.action, self.purpose, self.at))


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for: one atom of a record, its confidentiality and the provisions its content matched.

    `matched` as `matched()` of matching.py gives it.
    """

    atom: str | None
    confidentiality: str
    marks: frozenset[str]
    matched: frozenset[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a consent says and where; `naming`: how closely it names the requester, `ends`: on a date."""

    verdict: Verdict
    path: str
    naming: int = ANYONE
    ends: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A provision in its place; `number` is set when its match depends on the record's content."""

    provision: Provision
    path: str
    number: int | None
    children: tuple[Node, ...]


@lru_cache(maxsize=65536)
def trees(profile: Profile) -> tuple[tuple[tuple[int, Statement, Node], ...], ...]:
    """The statements of each group with their positions and numbered trees."""
    numbers = iter(range(1 << 30))
    positions = iter(range(1 << 30))
    return tuple(
        tuple(
            (next(positions), statement, _node(statement.root, "provision", numbers)) for statement in group
        )
        for group in profile.groups
    )


def content_nodes(profile: Profile) -> tuple[tuple[Statement, Node], ...]:
    """The provisions whose match depends on the record's content, in the order of their numbers."""
    found = (
        (statement, node)
        for group in trees(profile)
        for _, statement, root in group
        for node in _walk(root)
        if node.number is not None
    )
    return tuple(sorted(found, key=lambda pair: pair[1].number or 0))


def _node(provision: Provision, path: str, numbers: Iterator[int]) -> Node:
    by_content = provision.classes or provision.codes or provision.data_period or provision.data
    number = next(numbers) if by_content else None
    children = tuple(
        _node(child, f"{path}.provision[{position}]", numbers)
        for position, child in enumerate(provision.provisions)
    )
    return Node(provision, path, number, children)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def evaluate(root: Node, request: Request, subject: Subject, vocabulary: Vocabulary) -> Answer:
    """What this consent says about the atom."""
    matches = _matches(root, request, subject, vocabulary)
    if not reaches(matches, root.provision.type == "deny"):
        return Answer("uncovered" if root.provision.type == "permit" else "silent", root.path)
    answer = _descend(root, request, subject, vocabulary, Answer(root.provision.type, root.path))
    return Answer("silent", root.path) if matches is None and answer.verdict == "permit" else answer


def _descend(
    node: Node, request: Request, subject: Subject, vocabulary: Vocabulary, parent: Answer
) -> Answer:
    here = Answer(
        node.provision.type,
        node.path,
        max(parent.naming, _naming(node.provision, request)),
        parent.ends or (node.provision.period is not None and node.provision.period.end is not None),
    )
    answers = list(_exceptions(node, request, subject, vocabulary, here))
    if not answers:
        return here
    denied = [answer for answer in answers if answer.verdict == "deny"]
    return denied[0] if denied else max(answers, key=lambda answer: (answer.naming, answer.ends))


def _exceptions(
    node: Node, request: Request, subject: Subject, vocabulary: Vocabulary, here: Answer
) -> Iterator[Answer]:
    """What the children say that are about this; a permit inside a denial that only may be is not heard."""
    for child in node.children:
        matches = _matches(child, request, subject, vocabulary)
        if reaches(matches, child.provision.type == "deny"):
            answer = _descend(child, request, subject, vocabulary, here)
            if matches or answer.verdict == "deny":
                yield answer


def _naming(provision: Provision, request: Request) -> int:
    if request.collecting:
        return BY_CLASS if provision.actors or provision.members else ANYONE
    if request.code in provision.actors:
        return BY_NAME
    named = request.names.intersection(provision.actors) or _is_member(provision, request, request.names)
    return BY_CLASS if named else ANYONE


def _matches(node: Node, request: Request, subject: Subject, vocabulary: Vocabulary) -> Match:
    provision = node.provision
    content = _content(node, subject)
    if content is False or (provision.period is not None and not provision.period.contains(request.at)):
        return False
    who = (_collecting if request.collecting else _asking)(provision, request, vocabulary)
    return False if who is False else all_of((content, who, _labelled(provision, subject, vocabulary)))


def _content(node: Node, subject: Subject) -> Match:
    if node.number is None:
        return True
    if node.number not in subject.matched:
        return False
    return None if uncertain(node.number) in subject.matched else True


def _asking(provision: Provision, request: Request, vocabulary: Vocabulary) -> Match:
    purposes = vocabulary.granted if provision.type == "permit" else vocabulary.refused
    who = _reaches(provision, request)
    if who is False:
        return False
    return all_of(
        (
            who,
            not provision.actions or _covers(provision.actions, request.action, _ACTIONS),
            not provision.purposes or _covers(provision.purposes, request.purpose, purposes),
        )
    )


_ACTIONS: Cover = {code: frozenset([code]) for code in ("collect", "access", "use", "disclose", "correct")}


def _collecting(provision: Provision, request: Request, vocabulary: Vocabulary) -> Match:
    """Whether it speaks about entering the shared repository, which by itself discloses nothing.

    A permit for anybody is a reason to hold the record; only a denial that leaves no recipient and no purpose
    of the exchange is a reason not to.
    """
    if provision.type == "permit":
        return True
    purposes = vocabulary.file.collects_for if provision.purposes else ()
    return all_of(
        (
            _reaches(provision, request),
            not provision.actions or _covers(provision.actions, "collect", _ACTIONS),
            *(_covers(provision.purposes, purpose, vocabulary.refused) for purpose in purposes),
        )
    )


def _reaches(provision: Provision, request: Request) -> Match:
    """A permit reaches whom it names; a denial also those below him, and everybody if it is unreadable."""
    if not provision.actors and not provision.members:
        return True
    if provision.type == "permit":
        return not request.names.isdisjoint(provision.actors) or _is_member(provision, request, request.names)
    if not request.wider.isdisjoint(provision.actors) or _is_member(provision, request, request.wider):
        return True
    return False if request.known.issuperset(provision.actors) else None


def _is_member(provision: Provision, request: Request, names: frozenset[str]) -> bool:
    """Of a Group or CareTeam the provision names, at the moment of asking."""
    return any(member.code in names and member.counts_at(request.at) for member in provision.members)


def _covers(listed: Sequence[str], wanted: str | None, cover: Cover) -> Match:
    """A code that is misspelt, of no system or of another system is not understood."""
    return any_of(wanted in cover[code] if code in cover else None for code in listed)


def _labelled(provision: Provision, subject: Subject, vocabulary: Vocabulary) -> Match:
    """OR inside confidentiality and inside sensitivity, AND between them.

    A mark (a law, a program) beside sensitivity codes narrows a permit and widens a denial. A code that may
    be of either kind may be what a denial means, whatever stands beside it.
    """
    unread = [label for label in provision.labels if is_level(label)]
    levels = (*provision.confidentiality, *unread)
    labels = [label for label in provision.labels if label not in unread]
    level = not levels or _level_matches(levels, provision.type, subject, vocabulary)
    if not labels:
        return level
    marks = [label for label in labels if label in vocabulary.marks]
    others = [label for label in labels if label not in vocabulary.marks]
    marked = not subject.marks.isdisjoint(marks)
    if provision.type == "permit":
        return all_of(
            (level, not marks or marked, not others or _covers(others, subject.atom, vocabulary.permits))
        )
    found = all_of((level, any_of((marked, _denied(others, subject.atom, vocabulary)))))
    return None if found is False and any(map(of_no_kind, others)) else found


def _denied(listed: Sequence[str], atom: str | None, vocabulary: Vocabulary) -> Match:
    """What lies within another of the family may be meant: that closes, and an exception opens nothing."""
    reached = _covers(listed, atom, vocabulary.denies)
    return None if reached and not _covers(listed, atom, vocabulary.denies_surely) else reached


def _level_matches(named: Sequence[str], kind: str, subject: Subject, vocabulary: Vocabulary) -> Match:
    levels = vocabulary.levels
    listed = [levels[level] for level in named if level in levels]
    record = levels[subject.confidentiality]
    unread = None if len(listed) < len(named) else False
    if kind == "permit":
        return any(record <= level for level in listed) or unread
    return any(record >= level for level in listed) or unread
