"""Who is one person when pairs are linked: a partition that no order of arrival can change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from exchange.linkage.compare import contradiction
from exchange.linkage.features import Features
from exchange.linkage.model import Model

MOST_RECORDS = 100
"""A person of more records than this is not joined further by the model."""

Authority = Literal["steward", "partner", "model"]
_RANK: dict[str, int] = {"steward": 0, "partner": 1, "model": 2}


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records said to be one person; `authority` is who says it, `certain` how surely."""

    a: str
    b: str
    authority: Authority
    probability: float
    certain: bool = True


def authority_of(basis: str) -> Authority:
    """From the basis of a stored edge: steward | merge | link | same-mrn | model:<version>."""
    if basis == "steward":
        return "steward"
    return "model" if basis.startswith("model") else "partner"


def partition(
    members: Iterable[str], edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]
) -> dict[str, str]:
    """The smallest id of its person for each member.

    `apart` are pairs kept apart by a steward, or contradicting each other ("model"). Edges join in the order
    of authority, probability and ids; one is passed over when it would bring such a pair together, unless
    somebody of higher authority said so. A link of the model that is only probable, and fits two who are kept
    apart, holds for neither. An edge between two who themselves contradict each other overrides
    the contradiction for the whole persons of both. Only what is passed in counts, so that a partition of
    the records somebody may see tells nothing of the others.
    """
    members = list(members)
    ordered = sorted(_fitting_one(edges, apart), key=_order)
    overriding = {edge for edge in ordered if _overrides(edge, apart)}
    stewards = {pair: by for pair, by in apart.items() if by == "steward"}
    _, joined = _join(members, [edge for edge in ordered if edge not in overriding], apart)
    accepted = {*overriding, *joined}
    persons, _ = _join(members, [edge for edge in ordered if edge in accepted], stewards)
    return {member: min(person) for member, person in persons.items()}


def _fitting_one(edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]) -> list[Edge]:
    """The edges without those that are only probable and would as well be somebody else's."""
    edges = list(edges)
    neighbours: dict[str, set[str]] = defaultdict(set)
    for edge in edges if apart else ():
        neighbours[edge.a].add(edge.b)
        neighbours[edge.b].add(edge.a)

    def fits_two(one: str, other: str) -> bool:
        return any(frozenset((other, third)) in apart for third in neighbours[one])

    return [
        edge
        for edge in edges
        if edge.certain
        or edge.authority != "model"
        or not (fits_two(edge.a, edge.b) or fits_two(edge.b, edge.a))
    ]


def contradicting(
    records: Mapping[str, Features], pairs: Iterable[tuple[str, str]], model: Model
) -> Iterator[frozenset[str]]:
    """Pairs that cannot be one person, within everything that the linked pairs reach.

    Two with no more than the link between them do not contradict each other.
    """
    edges = [Edge(a, b, "steward", 1.0) for a, b in pairs]
    groups: dict[str, list[str]] = defaultdict(list)
    for member, leader in partition({end for edge in edges for end in (edge.a, edge.b)}, edges, {}).items():
        groups[leader].append(member)
    for group in groups.values():
        for a, b in combinations(sorted(group), 2) if len(group) > 2 else ():
            if contradiction(records[a], records[b], model):
                yield frozenset((a, b))


def _join(
    members: Iterable[str], edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]
) -> tuple[dict[str, set[str]], list[Edge]]:
    """The person of each member, and the edges that hold."""
    persons: dict[str, set[str]] = {member: {member} for member in members}
    strangers: dict[str, dict[str, Authority]] = defaultdict(dict)
    for pair, by in apart.items():
        a, b = pair
        strangers[a][b] = strangers[b][a] = by
    holding = []
    for edge in edges:
        one, other = persons[edge.a], persons[edge.b]
        if one is not other and _forbidden(one, other, edge, strangers):
            continue
        holding.append(edge)
        if one is not other:
            one, other = (one, other) if len(one) >= len(other) else (other, one)
            one |= other
            persons.update(dict.fromkeys(other, one))
    return persons, holding


def _order(edge: Edge) -> tuple[int, float, str, str]:
    return _RANK[edge.authority], -edge.probability, min(edge.a, edge.b), max(edge.a, edge.b)


def _overrides(edge: Edge, apart: Mapping[frozenset[str], Authority]) -> bool:
    return edge.authority != "model" and apart.get(frozenset((edge.a, edge.b))) == "model"


def _forbidden(
    one: set[str], other: set[str], edge: Edge, strangers: Mapping[str, Mapping[str, Authority]]
) -> bool:
    """`strangers`: by member, those it is kept apart from, and who says so."""
    if edge.authority == "model" and len(one) + len(other) > MOST_RECORDS:
        return True
    if len(other) < len(one):
        one, other = other, one
    return any(
        _RANK[by] <= _RANK[edge.authority] and stranger in other
        for member in one
        if member in strangers
        for stranger, by in strangers[member].items()
    )
