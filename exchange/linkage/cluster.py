"""Who is one person when pairs are linked: a partition that no order of arrival can change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from exchange.linkage.compare import MAY_BE_ANOTHER, Match, basis_in_index, contradiction
from exchange.linkage.features import Features
from exchange.linkage.model import Model

MOST_RECORDS = 100
"""A person of more records than this is not joined further by the model."""

Authority = Literal["steward", "partner", "model"]
_RANK: dict[str, int] = {"steward": 0, "partner": 1, "model": 2}


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records said to be one person; `authority` is who says it, `certain` how surely.

    Those of the two who are `unclear` may be somebody else of the same home (`Match.unless_another`).
    """

    a: str
    b: str
    authority: Authority
    probability: float
    certain: bool = True
    unclear: frozenset[str] = frozenset()


def authority_of(basis: str) -> Authority:
    """From the basis of a stored edge: steward | merge | link | same-mrn | model:<version>[:<who>]."""
    if basis == "steward":
        return "steward"
    return "model" if basis.startswith("model") else "partner"


def edge_of(a: str, b: str, grade: str, probability: float, basis: str) -> Edge:
    """A link as an index keeps it, the two in its order."""
    who = basis.rpartition(":")[2].removesuffix(MAY_BE_ANOTHER) if basis.endswith(MAY_BE_ANOTHER) else ""
    unclear = {"a": (a,), "b": (b,), "both": (a, b)}.get(who, ())
    return Edge(a, b, authority_of(basis), probability, grade == "certain", frozenset(unclear))


def edge_found(a: str, b: str, match: Match, records: Mapping[str, Features]) -> Edge:
    """A link as an index would keep it."""
    basis = basis_in_index(match, records[a], records[b])
    return edge_of(a, b, match.grade_in_index, match.probability, basis)


def partition(
    members: Iterable[str], edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]
) -> dict[str, str]:
    """The smallest id of its person for each member.

    `apart` are pairs kept apart by a steward, or contradicting each other ("model"). Edges join in the order
    of authority, probability and ids; one is passed over when it would bring such a pair together, unless
    somebody of higher authority said so. A link of the model that is only probable, and fits two who are kept
    apart, holds for neither; nor does that of a record which may be somebody else, where it would bring two
    together who have no link of their own. An edge between two who themselves contradict each other overrides
    the contradiction for the whole persons of both. Only what is passed in counts, so that a partition of
    the records somebody may see tells nothing of the others.
    """
    members, edges = list(members), list(edges)
    fitting = _fitting_one(edges, apart)
    told = [edge for edge in fitting if not edge.unclear]
    if len(told) < len(fitting):
        persons, near = _persons(members, told, apart), _neighbours(edges)
        fitting = [edge for edge in fitting if _means_one(edge, near, persons)]
    return _persons(members, fitting, apart)


def _persons(
    members: list[str], edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]
) -> dict[str, str]:
    ordered = sorted(edges, key=_order)
    overriding = {edge for edge in ordered if _overrides(edge, apart)}
    stewards = {pair: by for pair, by in apart.items() if by == "steward"}
    _, joined = _join(members, [edge for edge in ordered if edge not in overriding], apart)
    accepted = {*overriding, *joined}
    persons, _ = _join(members, [edge for edge in ordered if edge in accepted], stewards)
    return {member: min(person) for member, person in persons.items()}


def _fitting_one(edges: list[Edge], apart: Mapping[frozenset[str], Authority]) -> list[Edge]:
    """The edges without those that are only probable and would as well be somebody else's."""
    near = _neighbours(edges) if apart else {}

    def fits_two(one: str, other: str) -> bool:
        return any(frozenset((other, third)) in apart for third in near.get(one, ()))

    return [
        edge
        for edge in edges
        if edge.certain
        or edge.authority != "model"
        or not (fits_two(edge.a, edge.b) or fits_two(edge.b, edge.a))
    ]


def _means_one(edge: Edge, near: Mapping[str, set[str]], persons: Mapping[str, str]) -> bool:
    """Whether all whom an unclear end may be are one person with the other end, or linked with it."""
    return all(
        persons[third] == persons[other] or third in near[other]
        for one, other in ((edge.a, edge.b), (edge.b, edge.a))
        if one in edge.unclear
        for third in near[one] - {other}
    )


def _neighbours(edges: Iterable[Edge]) -> dict[str, set[str]]:
    neighbours: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        neighbours[edge.a].add(edge.b)
        neighbours[edge.b].add(edge.a)
    return neighbours


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
