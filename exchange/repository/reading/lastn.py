"""Observation/$lastn as one viewer: the latest of each code. https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from __future__ import annotations

from exchange.repository.reading.matchers import Arguments
from exchange.repository.reading.page import Around, Page, make_page
from exchange.repository.reading.persons import persons_of
from exchange.repository.reading.query import Parameters, parse_query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, Reader, select, shown
from exchange.repository.reading.syntax import BadSearch, whole_number
from exchange.repository.reading.view import serve
from exchange.repository.reading.where import where_sql
from exchange.repository.storage.dates import EARLIEST
from exchange.repository.storage.parameters import parameters

_MOST = 1000

_LATEST = """
SELECT s.rid, s.type, s.fhir_id, s.rendition, s.patient, s.class, s.updated, s.body FROM (
    SELECT k.*, row_number() OVER (PARTITION BY k.person, k.key ORDER BY k.low DESC, k.fhir_id) AS place
    FROM (
        SELECT r.*, p.person, coalesce((
            SELECT min(x.key) FROM index_token x WHERE x.rid = r.rid AND x.param = {code}
        ), r.rid) AS key, coalesce((
            SELECT max(x.low) FROM index_date x WHERE x.rid = r.rid AND x.param = {date}
        ), {never}) AS low
        FROM resource r
        LEFT JOIN unnest({patients}::int[], {people}::uuid[]) AS p (patient, person) ON p.patient = r.patient
        WHERE {where}
    ) k
) s WHERE s.place <= {most} ORDER BY s.person, s.key, s.low DESC, s.fhir_id LIMIT {limit}
"""


def lastn(reader: Reader, asked: Parameters, base_url: str) -> Page:
    """The `max` (1) latest Observations of each code among those that match; raises BadSearch.

    A patient must be named, by `patient`, `subject` or a chain.
    """
    most = whole_number("max", dict(asked).get("max", "1"))
    query = parse_query("Observation", [pair for pair in asked if pair[0] != "max"], reader.at)
    chained = any(chain.parameter.subject for chain in query.where.chains)
    if most == 0 or not (query.where.patients or chained):
        raise BadSearch("$lastn needs a patient, and max is a positive number")
    own, arguments = parameters()["Observation"], Arguments()
    where = f"{where_sql(reader, query.where, arguments)} AND {BEST_OF_CLUSTER}"
    rows = select(reader, f"SELECT DISTINCT r.patient FROM resource r WHERE {where}", arguments.values)
    people = persons_of(reader, (row[0] for row in rows))
    statement = _LATEST.format(
        where=where,
        patients=arguments.add(list(people)),
        people=arguments.add([person.golden_id for person in people.values()]),
        code=arguments.add(own["code"].key),
        date=arguments.add(own["date"].key),
        never=arguments.add(EARLIEST),
        most=arguments.add(most),
        limit=arguments.add(_MOST),
    )
    served = serve(reader, shown(reader, select(reader, statement, arguments.values)))
    total = len(served) if len(served) < _MOST else None
    return make_page(
        reader, base_url, [("match", one) for one in served], Around(total, unknown=query.unknown), query.form
    )
