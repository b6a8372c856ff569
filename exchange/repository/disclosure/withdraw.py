"""Taking out of the repository what it may no longer hold, by rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from exchange.consent import REPOSITORY, Context, decide
from exchange.repository.disclosure.clock import SETTLED
from exchange.repository.disclosure.reasons import named_reasons
from exchange.repository.disclosure.viewers import load_classes, repository_viewer
from exchange.repository.storage.history import withdraw_rows


def forbidden_rows(
    conn: psycopg.Connection, at: datetime, patients: Sequence[int] | None = None
) -> list[int]:
    """Rows of `resource`, of these patients or of all, whose class the repository may not hold at `at`.

    What others decided meanwhile counts from the moment at which it holds.
    """
    rows = conn.execute(
        f"WITH settled AS MATERIALIZED (SELECT s.at FROM {SETTLED} AS s (at))"
        " SELECT rid FROM resource WHERE (%(patients)s::int[] IS NULL OR patient = ANY(%(patients)s))"
        " AND class = ANY(ARRAY(SELECT class FROM disclosure_class c"
        "  WHERE (%(patients)s::int[] IS NULL"
        "    OR class IN (SELECT class FROM resource WHERE patient = ANY(%(patients)s)))"
        "   AND NOT EXISTS (SELECT FROM disclosure d WHERE d.class = c.class AND d.viewer = %(viewer)s"
        "   AND d.valid_from <= (SELECT at FROM settled) AND d.valid_until > (SELECT at FROM settled))))",
        {
            "patients": None if patients is None else list(patients),
            "viewer": repository_viewer(conn),
            "at": at,
        },
    ).fetchall()
    return [row[0] for row in rows]


def withdraw(conn: psycopg.Connection, rids: Sequence[int], context: Context, at: datetime) -> int:
    """Moves rows to the ledger `withheld`, with all their versions; returns how many there were."""
    if not rids:
        return 0
    whole = conn.execute(
        "SELECT type, fhir_id, partner, patient, class, record FROM resource"
        " WHERE rid = ANY(%s) AND rendition = 0",
        (list(rids),),
    ).fetchall()
    withdraw_rows(conn, rids)
    classes = load_classes(conn, {row[4] for row in whole})
    because = {number: list(decide(c, REPOSITORY, context, at).because) for number, c in classes.items()}
    withhold(conn, [Kept._make((*row, because[row[4]], at)) for row in whole])
    return len(rids)


class Kept(NamedTuple):
    """A row of the ledger."""

    type: str
    fhir_id: UUID
    partner: str
    patient: int | None
    number: int
    record: int
    because: Sequence[str]
    at: datetime


def withhold(conn: psycopg.Connection, kept: Iterable[Kept]) -> None:
    """Writes the ledger; Consents among the reasons by name."""
    rows = [one._replace(because=named_reasons(conn, one.patient, one.number, one.because)) for one in kept]
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO withheld (type, fhir_id, partner, patient, class, record, because, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (type, fhir_id) DO UPDATE SET"
            " partner = excluded.partner, patient = excluded.patient, class = excluded.class,"
            " record = excluded.record, because = excluded.because, at = excluded.at",
            rows,
        )


def reasons_withheld(conn: psycopg.Connection, run: int) -> dict[str, int]:
    """How many resources of a run's records are withheld, by the first rule or consent that said so."""
    return reasons_withheld_by_run(conn, [run]).get(run, {})


def reasons_withheld_by_run(conn: psycopg.Connection, runs: Sequence[int]) -> dict[int, dict[str, int]]:
    """The same of many runs; those that withheld nothing are left out."""
    found: dict[int, dict[str, int]] = {}
    # OFFSET 0: run by run along the ledger's index; all at once the whole ledger would be read.
    for run, because, number in conn.execute(
        "SELECT r.run, coalesce(w.because[1], 'silence'), count(*) FROM unnest(%s::bigint[]) AS r (run)"
        " CROSS JOIN LATERAL (SELECT record FROM source_record s WHERE s.run = r.run OFFSET 0) AS s"
        " JOIN withheld w USING (record) GROUP BY 1, 2 ORDER BY 3 DESC, 2",
        (list(runs),),
    ):
        found.setdefault(run, {})[because] = number
    return found


def readmissible_records(conn: psycopg.Connection, context: Context, at: datetime) -> dict[str, list[int]]:
    """Source records by partner that were withheld and may be let in now, to be replayed."""
    rows = conn.execute(
        "SELECT DISTINCT partner, record FROM withheld w WHERE EXISTS (SELECT FROM disclosure d"
        "  WHERE d.class = w.class AND d.viewer = %(viewer)s"
        "  AND d.valid_from <= %(at)s AND d.valid_until > %(at)s)"
        " ORDER BY partner, record",
        {"viewer": repository_viewer(conn), "at": at},
    ).fetchall()
    found: dict[str, list[int]] = {}
    for partner, record in rows:
        found.setdefault(partner, []).append(record)
    return found
