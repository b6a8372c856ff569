"""What each member contributes and draws: suppressed figures of one day, the same for everybody who looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb

from exchange.app.opening import Exchange
from exchange.app.partners.overview import glances
from exchange.app.partners.suppressing import suppressed, suppressed_alone, suppressed_part
from exchange.audit.days import asked_by_day
from exchange.model.audit import ASKED
from exchange.pipeline.ledger import Connection

KINDS = (
    "Encounter",
    "Condition",
    "Observation",
    "Immunization",
    "MedicationRequest",
    "ServiceRequest",
    "other",
)


@dataclass(frozen=True, slots=True)
class Member:
    """`people` by kind, `records` given, `answers` drawn: None where hidden; `late`: not on schedule."""

    partner: str
    name: str
    people: dict[str, int | None]
    records: int | None
    answers: int | None
    late: bool | None


@dataclass(frozen=True, slots=True)
class Figures:
    """As counted once on `day`: whoever looks twice on a day learns nothing new. None: hidden."""

    day: date
    people: int | None
    shared: int | None
    members: list[Member]


def figures(exchange: Exchange) -> Figures:
    """The figures of today, counted by whoever looks first."""
    day = exchange.work.now().date()
    with exchange.work.connect() as connection:
        counted = counted_once(connection, day)
    late = {glance.partner: glance.fresh != "good" for glance in glances(exchange)}
    partners = sorted(exchange.partners)
    cells = {(p, kind): counted["people"].get(p, {}).get(kind, 0) for p in partners for kind in KINDS}
    shown = suppressed(cells, partners, KINDS)
    people, shared = suppressed_part(counted["persons"], counted["shared"])
    return Figures(
        day=day,
        people=people,
        shared=shared,
        members=[
            Member(
                partner=code,
                name=exchange.partners[code].organization.name,
                people={kind: shown[code, kind] for kind in KINDS},
                records=suppressed_alone(counted["records"].get(code, 0)),
                answers=suppressed_alone(sum(counted["answers"].get(code, {}).values())),
                late=late.get(code),
            )
            for code in partners
        ],
    )


def counted_once(connection: Connection, day: date) -> dict[str, Any]:
    """What was counted on a day, by upkeep or by whoever looked before it; counted now when nobody did."""
    wanted = "SELECT figures FROM coalition_figures WHERE day = %s"
    row = connection.execute(wanted, [day]).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO coalition_figures VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [day, Jsonb(_counted(connection))],
        )
        connection.commit()
        row = connection.execute(wanted, [day]).fetchone()
    return row[0] if row else {}


def _counted(connection: Connection) -> dict[str, object]:
    people: dict[str, dict[str, int]] = {}
    for partner, kind, count in connection.execute(
        "SELECT r.partner, CASE WHEN r.type = ANY(%s) THEN r.type ELSE 'other' END, count(DISTINCT p.person)"
        " FROM resource r JOIN patient p USING (patient) WHERE r.rendition = 0 GROUP BY 1, 2",
        [list(KINDS)],
    ):
        people.setdefault(partner, {})[kind] = count
    records = connection.execute(
        "SELECT partner, count(*) FROM resource WHERE rendition = 0 GROUP BY 1"
    ).fetchall()
    answers: dict[str, dict[str, int]] = {}
    for asked in asked_by_day(connection, ASKED, date.min):
        by_purpose = answers.setdefault(asked.participant, {})
        by_purpose[asked.purpose] = by_purpose.get(asked.purpose, 0) + asked.answers
    (persons, shared) = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE partners > 1) FROM ("
        " SELECT person, count(DISTINCT partner) AS partners FROM patient WHERE active GROUP BY 1) AS p"
    ).fetchone() or (0, 0)
    return {
        "people": people, "records": dict(records), "answers": answers, "persons": persons, "shared": shared,
    }  # fmt: skip
