"""Who is one person when pairs are linked: a partition that no order of arrival can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

MOST_RECORDS = 100
"""A person of more records than this is not joined further by the model."""

Authority = Literal["steward", "partner", "model"]
_RANK: dict[str, int] = {"steward": 0, "partner": 1, "model": 2}


@dataclass(frozen=True, slots=True)
class Edge:
    """Two records said to be one person; `authority` is who says it."""

    a: str
    b: str
    authority: Authority
    probability: float


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
    somebody of higher authority said so. An edge between two who themselves contradict each other overrides
    the contradiction for the whole persons of both. Only what is passed in counts, so that a partition of
    the records somebody may see tells nothing of the others.
    """
    members = list(members)
    ordered = sorted(edges, key=_order)
    overriding = {edge for edge in ordered if _overrides(edge, apart)}
    stewards = {pair: by for pair, by in apart.items() if by == "steward"}
    _, joined = _join(members, [edge for edge in ordered if edge not in overriding], apart)
    accepted = {*overriding, *joined}
    persons, _ = _join(members, [edge for edge in ordered if edge in accepted], stewards)
    return {member: min(person) for member, person in persons.items()}


def _join(
    members: Iterable[str], edges: Iterable[Edge], apart: Mapping[frozenset[str], Authority]
) -> tuple[dict[str, set[str]], list[Edge]]:
    """The person of each member, and the edges that hold."""
    persons: dict[str, set[str]] = {member: {member} for member in members}
    holding = []
    for edge in edges:
        one, other = persons[edge.a], persons[edge.b]
        if one is not other and _forbidden(one, other, edge, apart):
            continue
        holding.append(edge)
        if one is not other:
            one |= other
            persons.update(dict.fromkeys(other, one))
    return persons, holding


def _order(edge: Edge) -> tuple[int, float, str, str]:
    return _RANK[edge.authority], -edge.probability, min(edge.a, edge.b), max(edge.a, edge.b)


def _overrides(edge: Edge, apart: Mapping[frozenset[str], Authority]) -> bool:
    return edge.authority != "model" and apart.get(frozenset((edge.a, edge.b))) == "model"


def _forbidden(one: set[str], other: set[str], edge: Edge, apart: Mapping[frozenset[str], Authority]) -> bool:
    if edge.authority == "model" and len(one) + len(other) > MOST_RECORDS:
        return True
    return bool(apart) and any(
        _RANK[authority] <= _RANK[edge.authority] and _between(pair, one, other)
        for pair, authority in apart.items()
    )


def _between(pair: frozenset[str], one: set[str], other: set[str]) -> bool:
    a, b = pair
    return (a in one and b in other) or (a in other and b in one)
