"""Who may see how much of what kind of everybody's records: counts of a while ago, decisions of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from time import perf_counter

from exchange.app.privacy.persons import Share
from exchange.consent import Context, decide
from exchange.consent.classes import DisclosureClass
from exchange.model.records import Decision, Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import load_classes

_QUICK = 0.02  # seconds: where counting takes no longer, whoever looks is shown the counts of now

_COUNT = """
WITH counted AS MATERIALIZED (
    SELECT class, patient, count(*) AS records FROM resource
    WHERE rendition = 0 AND type <> 'Consent' AND patient IS NOT NULL GROUP BY 1, 2
), related AS (
    SELECT DISTINCT participant, patient, basis = 'break-glass' AS emergency
    FROM relationship WHERE until > %(at)s
)
INSERT INTO class_share (class, participant, emergency, records)
SELECT class, '', false, sum(records) FROM counted GROUP BY 1
UNION ALL
SELECT k.class, l.participant, l.emergency, sum(k.records) FROM counted k JOIN related l USING (patient)
GROUP BY 1, 2, 3
"""

_SHARES = """
SELECT v.participant, v.role, v.purpose, coalesce(label, '') AS kind,
    sum(CASE WHEN d.class IS NULL THEN 0 WHEN d.needs_relationship THEN coalesce(own.records, 0)
        ELSE held.records END)::int AS visible,
    sum(held.records)::int AS total
FROM viewer v CROSS JOIN class_share held
JOIN disclosure_class c USING (class) LEFT JOIN unnest(c.labels) AS label ON true
LEFT JOIN disclosure d ON d.viewer = v.viewer AND d.class = held.class
    AND d.valid_from <= %(at)s AND d.valid_until > %(at)s AND d.action <> 'disclose'
LEFT JOIN class_share own
    ON (own.class, own.participant, own.emergency) = (held.class, v.participant, v.emergency)
WHERE held.participant = '' AND v.participant <> 'exchange' AND v.purpose = %(purpose)s
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


_OF_KIND = """
SELECT held.class, held.records::int, coalesce(own.records, 0)::int
FROM class_share held JOIN disclosure_class c USING (class)
LEFT JOIN class_share own
    ON (own.class, own.participant, own.emergency) = (held.class, %(participant)s, %(emergency)s)
WHERE held.participant = '' AND CASE WHEN %(kind)s = '' THEN c.labels = '{}' ELSE %(kind)s = ANY(c.labels) END
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Records of one source, type and set of labels that one decision stands for, and how many are seen."""

    source: str
    type: str
    labels: tuple[str, ...]
    decision: Decision
    records: int
    visible: int


def purposes_of(connection: Connection) -> list[str]:
    """The purposes that participants may ask for."""
    rows = connection.execute(
        "SELECT DISTINCT purpose FROM viewer WHERE participant <> 'exchange' ORDER BY 1"
    )
    return [row[0] for row in rows]


def shares_of_all(connection: Connection, purpose: str, at: datetime) -> list[Share]:
    """Everybody's records by label, `` for what has none, and what each participant may see of them."""
    return [Share(*row) for row in connection.execute(_SHARES, {"purpose": purpose, "at": at})]


def reasons_of_all(
    context: Context, connection: Connection, viewer: Viewer, kind: str, at: datetime
) -> Sequence[Reason]:
    """Why a participant sees what it sees of everybody's records of a label, `` for none; most first."""
    emergency = viewer.purpose in context.rules.vocabulary.file.emergency_purposes
    asked = {"participant": viewer.participant, "emergency": emergency, "kind": kind}
    rows = connection.execute(_OF_KIND, asked).fetchall()
    classes = load_classes(connection, {number for number, _, _ in rows})
    found: dict[tuple[object, ...], Reason] = {}
    for number, records, related in rows:
        of = classes[number]
        decision = _decided(of, viewer, context, at)
        seen = 0 if decision.effect == "deny" else related if decision.needs_relationship else records
        consented = tuple("consent" if one.startswith("consent:") else one for one in decision.because)
        key = (of.source, of.type, of.labels, decision.effect, decision.needs_relationship, consented)
        before = found.get(key)
        found[key] = Reason(
            of.source, of.type, of.labels, before.decision if before else decision,
            records + (before.records if before else 0), seen + (before.visible if before else 0),
        )  # fmt: skip
    return sorted(found.values(), key=lambda one: -one.records)


def _decided(cls: DisclosureClass, viewer: Viewer, context: Context, at: datetime) -> Decision:
    """What decide() says, asked once for as long as its answer holds: a cell may stand for thousands."""
    kept = _kept(cls, viewer, context)
    if not kept or at < kept[0][0] or not (kept[0][1].until is None or at < kept[0][1].until):
        kept[:] = [(at, decide(cls, viewer, context, at))]
    return kept[0][1]


@lru_cache(maxsize=1 << 14)
def _kept(cls: DisclosureClass, viewer: Viewer, context: Context) -> list[tuple[datetime, Decision]]:
    """Room for the latest answer and when it was asked; another context, as of other rules, has its own."""
    return []


def count_shares(connection: Connection, at: datetime) -> None:
    """Counts the records of each class, and those of people in a participant's care; the caller commits."""
    started = perf_counter()
    connection.execute("LOCK TABLE class_share_counted IN EXCLUSIVE MODE")
    connection.execute("DELETE FROM class_share")
    connection.execute(_COUNT, {"at": at})
    connection.execute(
        "INSERT INTO class_share_counted (at, seconds) VALUES (%(at)s, %(seconds)s)"
        " ON CONFLICT (one) DO UPDATE SET at = excluded.at, seconds = excluded.seconds",
        {"at": at, "seconds": perf_counter() - started},
    )


def counted_shares(connection: Connection, at: datetime) -> datetime:
    """When they were counted: by upkeep, or now where there is little to count or nobody has yet."""
    row = connection.execute("SELECT at, seconds FROM class_share_counted").fetchone()
    if row is None or row[1] <= _QUICK:
        count_shares(connection, at)
        connection.commit()
        return at
    counted: datetime = row[0]
    return counted
