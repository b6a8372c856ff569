"""Who forms one person, derived from the links whenever these change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
import psycopg

from exchange.linkage import Authority, Edge, Features, Model, contradicting, edge_of, partition
from exchange.repository.identity.edges import Pair, Verdict, pair_of, write_events


@dataclass(frozen=True, slots=True)
class _Member:
    patient: int
    fhir_id: str
    person: str
    features: str


def regroup(conn: psycopg.Connection, seeds: set[int], new: set[int], model: Model, at: datetime) -> set[int]:
    """Forms anew the persons of everybody linked with these patients; returns whose person is another one.

    The members of a person who was joined or left are returned too. Events tell of persons that existed
    before: those of `new` patients did not.
    """
    members = _reachable(conn, seeds)
    edges = _edges(conn, members)
    apart = _keep_apart(conn, members, edges, model)
    persons = partition(
        (member.fhir_id for member in members.values()),
        edges.values(),
        {frozenset((members[a].fhir_id, members[b].fhir_id)): by for (a, b), by in apart.items()},
    )
    moved = {
        number: persons[member.fhir_id]
        for number, member in members.items()
        if persons[member.fhir_id] != member.person
    }
    _write(conn, moved)
    _tell(conn, members, persons, set(moved) - new, at)
    affected = {members[number].person for number in moved} | set(moved.values())
    return {
        number
        for number, member in members.items()
        if member.person in affected or persons[member.fhir_id] in affected
    }


def _reachable(conn: psycopg.Connection, seeds: set[int]) -> dict[int, _Member]:
    rows = conn.execute(
        "WITH RECURSIVE reached (patient) AS ("
        " SELECT unnest(%s::int[]) UNION SELECT e.b FROM reached r JOIN patient_edge e ON e.a = r.patient)"
        " SELECT p.patient, p.fhir_id::text, p.person::text, p.features::text"
        " FROM reached JOIN patient p USING (patient)",
        (list(seeds),),
    )
    return {row[0]: _Member(*row) for row in rows}


def _edges(conn: psycopg.Connection, members: Mapping[int, _Member]) -> dict[Pair, Edge]:
    rows = conn.execute(
        "SELECT a, b, grade, probability, basis FROM patient_edge WHERE a = ANY(%s) AND a < b",
        (list(members),),
    )
    return {
        (a, b): edge_of(members[a].fhir_id, members[b].fhir_id, grade, probability, basis)
        for a, b, grade, probability, basis in rows
    }


def _keep_apart(
    conn: psycopg.Connection,
    members: Mapping[int, _Member],
    edges: Mapping[Pair, Edge],
    model: Model,
) -> dict[Pair, Authority]:
    """Pairs that may not be one person; those found in the records now replace those found before."""
    stored: dict[Pair, Authority] = {
        (a, b): by
        for a, b, by in conn.execute(
            "SELECT a, b, authority FROM patient_apart WHERE a = ANY(%(of)s) OR b = ANY(%(of)s)",
            {"of": list(members)},
        )
    }
    before = {pair for pair, by in stored.items() if by == "model"}
    stewards: dict[Pair, Authority] = {
        (a, b): by for (a, b), by in stored.items() if by == "steward" and a in members and b in members
    }
    now = set(_contradictions(members, edges, model)) - stewards.keys()
    conn.cursor().executemany("DELETE FROM patient_apart WHERE (a, b) = (%s, %s)", sorted(before - now))
    conn.cursor().executemany(
        "INSERT INTO patient_apart (a, b, authority) VALUES (%s, %s, 'model')", sorted(now - before)
    )
    return {**stewards, **dict.fromkeys(now, "model")}


def _contradictions(
    members: Mapping[int, _Member], edges: Mapping[Pair, Edge], model: Model
) -> Iterator[Pair]:
    """Pairs within everything that links reach."""
    linked = {number for pair in edges for number in pair}
    records = {str(n): Features.from_json(orjson.loads(members[n].features)) for n in linked}
    for pair in contradicting(records, ((str(a), str(b)) for a, b in edges), model):
        a, b = map(int, pair)
        yield pair_of(a, b)


def _write(conn: psycopg.Connection, moved: Mapping[int, str]) -> None:
    if moved:
        conn.execute(
            "UPDATE patient p SET person = n.person"
            " FROM unnest(%s::int[], %s::uuid[]) AS n (patient, person) WHERE p.patient = n.patient",
            (list(moved), list(moved.values())),
        )


def _tell(
    conn: psycopg.Connection,
    members: Mapping[int, _Member],
    persons: Mapping[str, str],
    moved: set[int],
    at: datetime,
) -> None:
    """`person.merged` when all of a person went over to another, `person.split` when only some did."""
    goes: dict[str, set[str]] = defaultdict(set)
    for member in members.values():
        goes[member.person].add(persons[member.fhir_id])
    leaders = {member.fhir_id: member.patient for member in members.values()}
    changes = sorted({(members[number].person, persons[members[number].fhir_id]) for number in moved})
    write_events(conn, [_change(old, to, len(goes[old]) == 1, leaders) for old, to in changes], at)


def _change(old: str, to: str, whole: bool, leaders: Mapping[str, int]) -> tuple[str, int, int, Verdict]:
    kind = "person.merged" if whole else "person.split"
    told = Verdict("certain", 1.0, "links", {"from": old, "to": to})
    return kind, leaders[old], leaders[to], told
