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
    """What is asked for: one atom of a record, its confidentiality and the provisions its content matched."""

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
    permits = root.provision.type == "permit"
    if not _matches(root, request, subject, vocabulary):
        return Answer("uncovered" if permits else "silent", root.path)
    return _descend(root, request, subject, vocabulary, Answer(root.provision.type, root.path))


def _descend(
    node: Node, request: Request, subject: Subject, vocabulary: Vocabulary, parent: Answer
) -> Answer:
    here = Answer(
        node.provision.type,
        node.path,
        max(parent.naming, _naming(node.provision, request)),
        parent.ends or (node.provision.period is not None and node.provision.period.end is not None),
    )
    answers = [
        _descend(child, request, subject, vocabulary, here)
        for child in node.children
        if _matches(child, request, subject, vocabulary)
    ]
    if not answers:
        return here
    denied = [answer for answer in answers if answer.verdict == "deny"]
    return denied[0] if denied else max(answers, key=lambda answer: (answer.naming, answer.ends))


def _naming(provision: Provision, request: Request) -> int:
    if request.collecting:
        return BY_CLASS if provision.actors or provision.members else ANYONE
    if request.code in provision.actors:
        return BY_NAME
    named = request.names.intersection(provision.actors) or _is_member(provision, request, request.names)
    return BY_CLASS if named else ANYONE


def _matches(node: Node, request: Request, subject: Subject, vocabulary: Vocabulary) -> bool:
    provision = node.provision
    if node.number is not None and node.number not in subject.matched:
        return False
    if provision.period is not None and not provision.period.contains(request.at):
        return False
    who = _collecting if request.collecting else _asking
    return who(provision, request, vocabulary) and _labelled(provision, subject, vocabulary)


def _asking(provision: Provision, request: Request, vocabulary: Vocabulary) -> bool:
    permit = provision.type == "permit"
    purposes = vocabulary.granted if permit else vocabulary.refused
    return (
        _reaches(provision, request)
        and (not provision.actions or _names(provision.actions, request.action, _ACTIONS, permit))
        and (not provision.purposes or _covers(provision.purposes, request.purpose, purposes, permit))
    )


_ACTIONS: Cover = {code: frozenset([code]) for code in ("collect", "access", "use", "disclose", "correct")}


def _collecting(provision: Provision, request: Request, vocabulary: Vocabulary) -> bool:
    """Whether it speaks about entering the shared repository, which by itself discloses nothing.

    A permit for anybody is a reason to hold the record; only a denial that leaves no recipient and no purpose
    of the exchange is a reason not to.
    """
    if provision.type == "permit":
        return True
    purposes = vocabulary.file.collects_for
    return (
        _reaches(provision, request)
        and (not provision.actions or _names(provision.actions, "collect", _ACTIONS, False))
        and all(
            not provision.purposes or _covers(provision.purposes, purpose, vocabulary.refused, False)
            for purpose in purposes
        )
    )


def _reaches(provision: Provision, request: Request) -> bool:
    """A permit reaches whom it names; a denial also those below him, and everybody if it is unreadable."""
    if not provision.actors and not provision.members:
        return True
    if provision.type == "permit":
        return not request.names.isdisjoint(provision.actors) or _is_member(provision, request, request.names)
    return (
        not request.wider.isdisjoint(provision.actors)
        or not request.known.issuperset(provision.actors)
        or _is_member(provision, request, request.wider)
    )


def _is_member(provision: Provision, request: Request, names: frozenset[str]) -> bool:
    """Of a Group or CareTeam the provision names, at the moment of asking."""
    return any(member.code in names and member.counts_at(request.at) for member in provision.members)


def _names(listed: tuple[str, ...], wanted: str, valid: Cover, permit: bool) -> bool:
    return wanted in listed or (not permit and any(code not in valid for code in listed))


def _covers(listed: tuple[str, ...], wanted: str, cover: Cover, permit: bool) -> bool:
    """One misspelt, of no system or of another system is not understood, so it makes a denial match."""
    return any(wanted in cover.get(code, ()) or (not permit and code not in cover) for code in listed)


def _labelled(provision: Provision, subject: Subject, vocabulary: Vocabulary) -> bool:
    """OR inside confidentiality and inside sensitivity, AND between them.

    A mark (a law, a program) beside sensitivity codes narrows a permit and widens a denial.
    """
    if provision.confidentiality and not _level_matches(provision, subject, vocabulary):
        return False
    if not provision.labels:
        return True
    marks = [label for label in provision.labels if label in vocabulary.marks]
    others = [label for label in provision.labels if label not in vocabulary.marks]
    marked = not subject.marks.isdisjoint(marks)
    if provision.type == "permit":
        return (not marks or marked) and (not others or _atom_in(others, subject, vocabulary.permits))
    unreadable = any(label not in vocabulary.denies for label in others)
    return marked or unreadable or _atom_in(others, subject, vocabulary.denies)


def _atom_in(labels: Sequence[str], subject: Subject, cover: Cover) -> bool:
    return subject.atom is not None and any(subject.atom in cover.get(label, ()) for label in labels)


def _level_matches(provision: Provision, subject: Subject, vocabulary: Vocabulary) -> bool:
    levels = vocabulary.levels
    listed = [levels[level] for level in provision.confidentiality if level in levels]
    record = levels[subject.confidentiality]
    if provision.type == "permit":
        return any(record <= level for level in listed)
    return any(record >= level for level in listed) or len(listed) < len(provision.confidentiality)
