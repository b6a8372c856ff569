"""A tree of search parameters as SQL, people looked up on the way: seen as the viewer at every step.

A Patient is found by what any one contribution visible to the viewer says; a record by whom it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from exchange.repository.reading.conditions import Scope, all_of, condition, may_refer_to_a_person
from exchange.repository.reading.criteria import Chain, Criterion, Reverse, Where
from exchange.repository.reading.matchers import Arguments, matches_instant, updated
from exchange.repository.reading.members import with_members
from exchange.repository.reading.parts import with_parts
from exchange.repository.reading.persons import (
    Person,
    count_seen,
    distinct,
    find_person,
    persons_of,
    persons_seen,
)
from exchange.repository.reading.reach import within_reach
from exchange.repository.reading.reader import (
    Reader,
    best_of_cluster,
    best_rendition,
    fetch,
    same_facts,
    select,
)
from exchange.repository.reading.syntax import ids_of, reference_id
from exchange.repository.reading.unsaid import of_person
from exchange.repository.reading.walk import FIRST, START, Stretch, stored_records
from exchange.repository.reading.windows import windows

_LITTLE = 16

_MOST_NAMED = 1000
"""So many at the end of a chain are named at most: what refers to each is found by its index."""


def where_sql(
    reader: Reader, where: Where, arguments: Arguments, alias: str = "r", *, few: bool = False
) -> str:
    """SQL that holds for the rows of `resource` meant, each in its best visible rendition.

    `few`: it is asked about few records.
    """
    where = within_reach(reader, where)
    patients = _patients(reader, where)
    placeholder = arguments.add(sorted(patients)) if patients is not None else None
    scope = Scope(alias, arguments, placeholder, few or patients is not None)
    conditions = [f"{alias}.type = {arguments.add(where.type)}"]
    if placeholder:
        conditions.append(f"{alias}.patient = ANY({placeholder})")
    if where.about_nobody is not None:
        conditions.append(f"{alias}.patient IS {'' if where.about_nobody else 'NOT '}NULL")
    if where.type != "Patient":
        conditions += [f"{alias}.fhir_id = ANY({arguments.add(ids_of(values))})" for values in where.ids]
        column = f"{alias}.updated"
        conditions += [updated(values, where.at, arguments, column) for values in where.updated]
    conditions += [condition(_widened(reader, criterion), scope) for criterion in where.criteria]
    if not scope.few:
        conditions += windows(where.criteria, arguments, alias)
    conditions += [_chained(reader, chain, scope) for chain in where.chains if not chain.parameter.subject]
    if where.type != "Patient":
        conditions += [_referred(reader, where.type, reverse, scope) for reverse in where.reverses]
    return all_of([*conditions, best_rendition(alias)])


def find_people(reader: Reader, where: Where) -> list[Person]:
    """Everybody who matches, in order of golden id: one contribution says all that must be said of him.

    Of what must not be said none of them says anything.
    """
    asked = [of_person(criterion) for criterion in where.criteria]
    people = _saying(reader, replace(where, criteria=[one.criterion for one in asked if one.wanted]))
    for one in asked:
        if not one.wanted and people:
            unmeant = Where(where.type, where.at, [one.criterion], among=frozenset(_numbers(people)))
            others = {person.golden_id for person in _saying(reader, unmeant)}
            people = [person for person in people if person.golden_id not in others]
    return people


def count_people(reader: Reader, where: Where) -> int:
    """How many they are."""
    if where.updated or not all(of_person(criterion).wanted for criterion in where.criteria):
        return len(find_people(reader, where))
    said = [of_person(criterion).criterion for criterion in where.criteria]
    return count_seen(reader, _contributions(reader, replace(where, criteria=said)))


def _contributions(reader: Reader, where: Where) -> list[tuple[int, UUID, str]]:
    """Patient, id and partner of each that is as asked."""
    arguments = Arguments()
    conditions = [where_sql(reader, where, arguments)]
    conditions += [_named(ids_of(values), arguments) for values in where.ids]
    seen = f"SELECT r.patient, r.fhir_id, r.partner FROM resource r WHERE {all_of(conditions)}"
    return select(reader, seen, arguments.values)


def _saying(reader: Reader, where: Where) -> list[Person]:
    people = distinct(persons_seen(reader, _contributions(reader, where)).values())
    if not where.updated:
        return people
    times = changed_at(reader, people)
    return [p for p in people if p.golden_id in times and _changed_so(where, times, p)]


def people_within(reader: Reader, where: Where, stretch: Stretch) -> list[Person]:
    """Those of them whose golden ids are within a stretch."""
    arguments = Arguments()
    own = stretch.sql(arguments, "p.golden_id")
    statement = f"SELECT p.patient, p.fhir_id, p.partner FROM patient p WHERE {own}"
    near = persons_seen(reader, select(reader, statement, arguments.values))
    among = frozenset(_numbers(near.values()))
    people = find_people(reader, replace(where, among=among)) if among else []
    return [person for person in people if stretch.holds(person.golden_id)]


def _changed_so(where: Where, times: dict[UUID, datetime], person: Person) -> bool:
    at = times[person.golden_id]
    return all(any(matches_instant(at, v, where.at) for v in values) for values in where.updated)


def changed_at(reader: Reader, people: Iterable[Person]) -> dict[UUID, datetime]:
    """When each golden Patient last changed, by golden id; who is not shown any more is left out."""
    known = list(people)
    ids = [c.fhir_id for person in known for c in person.contributions]
    rows = fetch(reader, "r.type = 'Patient' AND r.fhir_id = ANY(%(ids)s)", {"ids": ids})
    times = {row.fhir_id: row.updated for row in rows}
    shown = {p.golden_id: [times[c.fhir_id] for c in p.contributions if c.fhir_id in times] for p in known}
    return {golden_id: max(found) for golden_id, found in shown.items() if found}


def _named(ids: Sequence[UUID], arguments: Arguments) -> str:
    """SQL for `_id`: contributions of the people known by these golden ids."""
    return (
        "r.patient IN (WITH RECURSIVE reached (patient) AS ("
        f"SELECT p.patient FROM patient p WHERE p.golden_id = ANY({arguments.add(list(ids))})"
        " UNION SELECT e.b FROM reached JOIN patient_edge e ON e.a = reached.patient)"
        " SELECT patient FROM reached)"
    )


def _patients(reader: Reader, where: Where) -> set[int] | None:
    """Numbers of the visible Patients meant by all parameters about people; None when there is none."""
    found = [_meant(reader, values) for values in where.patients]
    found += [
        _numbers(p for alternative in chain.alternatives for p in find_people(reader, alternative))
        for chain in where.chains
        if chain.parameter.subject
    ]
    if where.type == "Patient":
        found += [_told_of(reader, reverse) for reverse in where.reverses]
    found += [set(where.among)] if where.among is not None else []
    return set.intersection(*found) if found else None


def _meant(reader: Reader, values: Iterable[str]) -> set[int]:
    ids = [found for value in values if (found := reference_id(value))]
    return _numbers(p for found in ids if (p := find_person(reader, found)))


def _numbers(people: Iterable[Person]) -> set[int]:
    return {number for person in people for number in person.patients}


def _told_of(reader: Reader, reverse: Reverse) -> set[int]:
    """The people of whom a record as `reverse` wants it speaks."""
    arguments = Arguments()
    inner = where_sql(reader, reverse.where, arguments, "r1")
    shown = f"{inner} AND {best_of_cluster('r1')}"
    if reverse.parameter.subject:
        statement = f"SELECT DISTINCT r1.patient FROM resource r1 WHERE {shown}"
    else:
        statement = (
            "SELECT p.patient FROM patient p WHERE p.fhir_id IN (SELECT x.target FROM index_reference x"
            f" JOIN resource r1 ON r1.rid = x.rid WHERE x.param = {arguments.add(reverse.parameter.key)}"
            f" AND {shown})"
        )
    rows = select(reader, statement, arguments.values)
    return _numbers(persons_of(reader, (row[0] for row in rows)).values())


def _widened(reader: Reader, criterion: Criterion) -> Criterion:
    """The criterion with all that its values stand for: what is part of what, people, duplicates."""
    return with_members(reader, _of_people(reader, with_parts(reader, criterion)))


def _of_people(reader: Reader, criterion: Criterion) -> Criterion:
    """The criterion, a golden id standing for every contribution of the person."""
    if not may_refer_to_a_person(criterion):
        return criterion
    ids = [found for value in criterion.values if (found := reference_id(value))]
    people = [p for found in ids if (p := find_person(reader, found))]
    known = tuple(str(c.fhir_id) for person in people for c in person.contributions)
    return replace(criterion, values=(*criterion.values, *known))


def _chained(reader: Reader, chain: Chain, scope: Scope) -> str:
    """Where few are at the end they are found first, of whatever types: what leads to none is not read."""
    own = f"x.rid = {scope.alias}.rid AND x.param = {scope.arguments.add(chain.parameter.key)}"
    named: list[UUID] = []
    either: list[str] = []
    for target in chain.alternatives:
        found = _led_to(reader, target, few=scope.few)
        if found is None:
            either.append(_leads_to(reader, own, target, scope))
        else:
            named += found
    if named or not either:
        ids = scope.arguments.add(named)
        either.append(f"EXISTS (SELECT FROM index_reference x WHERE {own} AND x.target = ANY({ids}::uuid[]))")
    return f"({' OR '.join(either)})"


def _led_to(reader: Reader, target: Where, *, few: bool) -> list[UUID] | None:
    """Ids of what is as wanted at the end of a chain; None for many, and where each record is asked."""
    if target.type == "Patient":
        return [c.fhir_id for person in find_people(reader, target) for c in person.contributions]
    if few or _is_common(reader, target):
        return None
    arguments = Arguments()
    conditions = where_sql(reader, target, arguments)
    found = f"SELECT r.fhir_id FROM resource r WHERE {conditions} OFFSET 0"
    # Sorted, or a plan that does not know its values would hope to meet enough on the way through all.
    sql = f"SELECT r.fhir_id FROM ({found}) AS r ORDER BY r.fhir_id LIMIT {arguments.add(_MOST_NAMED + 1)}"
    rows = select(reader, sql, arguments.values)
    return [row[0] for row in rows] if len(rows) <= _MOST_NAMED else None


def _is_common(reader: Reader, target: Where) -> bool:
    """Whether there are so many that a short stretch of the ids has one: to find them all would take long."""
    stored = stored_records(reader)
    if stored < FIRST * _LITTLE:
        return False
    arguments = Arguments()
    conditions = where_sql(reader, target, arguments, few=True)
    stretch = Stretch(START, FIRST / stored).sql(arguments, "r.fhir_id")
    sql = f"SELECT FROM resource r WHERE {conditions} AND {stretch} LIMIT 1"
    return bool(select(reader, sql, arguments.values))


def _leads_to(reader: Reader, own: str, target: Where, scope: Scope) -> str:
    inner = _inner(scope.alias)
    conditions = where_sql(reader, target, scope.arguments, inner, few=scope.few)
    return (
        f"EXISTS (SELECT FROM index_reference x JOIN resource {inner} ON {inner}.fhir_id = x.target"
        f" WHERE {own} AND {conditions})"
    )


def _referred(reader: Reader, kind: str, reverse: Reverse, scope: Scope) -> str:
    """To the record itself or to a visible duplicate of it, of which it is the one shown.

    Of few records each is asked; else what refers is found first, and from there what is meant.
    """
    alias, inner = scope.alias, _inner(scope.alias)
    conditions = where_sql(reader, reverse.where, scope.arguments, inner, few=scope.few)
    on = (
        f"{inner}.rid = x.rid AND x.param = {scope.arguments.add(reverse.parameter.key)}"
        f" AND {conditions} AND {best_of_cluster(inner)}"
    )
    if scope.few:
        named = f"SELECT {alias}.fhir_id UNION SELECT m.fhir_id FROM {same_facts(alias)} AS m"
        return (
            f"EXISTS (SELECT FROM ({named}) AS named (target)"
            f" JOIN index_reference x ON x.target = named.target JOIN resource {inner} ON {on})"
        )
    # OFFSET 0: one step after the other, whatever the planner believes of how many there are.
    named = f"SELECT DISTINCT x.target FROM index_reference x JOIN resource {inner} ON {on} OFFSET 0"
    own = (
        f"SELECT * FROM resource WHERE type = {scope.arguments.add(kind)} AND fhir_id = named.target"
        " AND cluster IS NOT NULL OFFSET 0"
    )
    duplicates = f"SELECT m.fhir_id FROM ({own}) o CROSS JOIN LATERAL {same_facts('o')} AS m"
    return (
        f"{alias}.fhir_id IN (SELECT meant.fhir_id FROM ({named}) AS named"
        f" CROSS JOIN LATERAL (SELECT named.target UNION ALL {duplicates} OFFSET 0) AS meant (fhir_id))"
    )


def _inner(alias: str) -> str:
    """The alias one step further from the resource searched."""
    return f"r{int(alias[1:] or 0) + 1}"
