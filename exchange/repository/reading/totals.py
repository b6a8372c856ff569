"""How many a search finds: an exact number, each of them looked at.

Whether a record is hidden by a better duplicate costs most, asked of each. Of much of a type those that have
one at all, which are few, are found once instead.
"""

from __future__ import annotations

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.query import Query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, Reader, select
from exchange.repository.reading.statement import ASKED_OF, Statement
from exchange.repository.reading.walk import FIRST, START, Stretch, names_people, stored_records
from exchange.repository.reading.where import where_sql

_MUCH = 3
"""Looking for duplicates among all of a type costs less than asking this part of it one by one."""

# Of one patient, or of nobody, where more than one says it; and all that is said of people who are linked.
_TOLD_TWICE = """
SELECT DISTINCT g.cluster FROM (
    SELECT m.cluster, m.patient, count(*) AS number FROM resource m
    WHERE m.type = {type} AND m.cluster IS NOT NULL GROUP BY m.cluster, m.patient
) g LEFT JOIN (SELECT DISTINCT e.a FROM patient_edge e) l ON l.a = g.patient
WHERE g.number > 1 OR l.a IS NOT NULL
"""


def total(reader: Reader, query: Query, statement: Statement) -> int:
    """The number of what matches and is shown."""
    much = not names_people(query) and _is_much(reader, query, statement)
    sql = _less_hidden(reader, query, statement) if much else _each_asked(query, statement)
    return int(select(reader, sql, statement.arguments.values)[0][0])


def _each_asked(query: Query, statement: Statement) -> str:
    """Each of them is asked whether it is the best of its duplicates, when all else is."""
    if names_people(query) or not query.where.criteria:
        return f"SELECT count(*) FROM resource r WHERE {statement.where}"
    found = f"(SELECT {ASKED_OF} FROM resource r WHERE {statement.asked} OFFSET 0) AS r"
    return f"SELECT count(*) FROM {found} WHERE {BEST_OF_CLUSTER}"


def _less_hidden(reader: Reader, query: Query, statement: Statement) -> str:
    """All that match, less those of them that a better one hides: looked for among what is told twice."""
    arguments = statement.arguments
    twice = _TOLD_TWICE.format(type=arguments.add(query.type))
    # OFFSET 0: from each cluster to its members, whatever the planner takes their number for.
    members = (
        f"SELECT {ASKED_OF} FROM ({twice} OFFSET 0) AS d JOIN resource r ON r.cluster = d.cluster"
        f" WHERE r.type = {arguments.add(query.type)} OFFSET 0"
    )
    asked = where_sql(reader, query.where, arguments, few=True)
    return (
        f"SELECT (SELECT count(*) FROM resource r WHERE {statement.asked})"
        f" - (SELECT count(*) FROM ({members}) AS r WHERE {asked} AND NOT {BEST_OF_CLUSTER})"
    )


def _is_much(reader: Reader, query: Query, statement: Statement) -> bool:
    """As far as a short stretch of the ids tells; of what has no duplicates nothing is asked."""
    if query.where.reverses or query.where.chains:
        return False  # what they lead to would be looked up for it
    arguments = Arguments(dict(statement.arguments.values))
    stretch = Stretch(START, FIRST / max(stored_records(reader), 1)).sql(arguments, "r.fhir_id")
    matching = f"count(*) FILTER (WHERE {statement.asked} AND r.cluster IS NOT NULL)"
    rows = select(
        reader,
        f"SELECT count(*), {matching} FROM resource r"
        f" WHERE r.type = {arguments.add(query.type)} AND {stretch}",
        arguments.values,
    )
    every, asked = rows[0]
    return bool(asked and asked * _MUCH >= every)
