"""Law 3 on live data: what a requester is answered must not depend on what he may not see.

The hidden rows are really removed, and so is what is there only because of them, in a transaction that the
caller rolls back.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from random import Random
from typing import NamedTuple
from uuid import UUID

import orjson

from exchange.app.prove.asking import Material, material_of
from exchange.model.audit import Giving
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import Lent, reader, remove_rows, version_id


def remove_hidden(
    connection: Connection, viewer: Viewer, action: Giving = "access", at: datetime | None = None
) -> int:
    """Leaves what there would be, had nothing been sent that this viewer may not see, or be sent, at `at`.

    Every row of `resource` that is hidden from him goes, its past and the ledger of what is withheld; returns
    how many rows.
    """
    _, hidden = _seen_and_hidden(connection, viewer, action, at)
    repeats = _repeats(connection, viewer, action, at)
    versions = _versions_seen(connection, viewer, action, at)
    remove_rows(connection, hidden)
    connection.execute(
        "DELETE FROM patient_edge e WHERE NOT EXISTS (SELECT FROM resource r WHERE r.patient = e.a"
        " AND r.type = 'Patient') OR NOT EXISTS (SELECT FROM resource r WHERE r.patient = e.b"
        " AND r.type = 'Patient')"
    )
    connection.execute(
        "DELETE FROM resource_history WHERE ctid <> ALL(%s::tid[])",
        [versions],
    )
    connection.execute("DELETE FROM withheld")
    _unsay(connection, repeats)
    connection.execute(_COUNTED_DOWN)
    connection.execute(_COUNTED)
    return len(hidden)


def remove_stated(connection: Connection, viewer: Viewer) -> None:
    """Takes out the panels and pushes of other participants: they are hidden from him, too."""
    for table in ("panel", "push"):
        connection.execute(f"DELETE FROM {table} WHERE participant <> %s", [viewer.participant])


def _repeats(connection: Connection, viewer: Viewer, action: Giving, at: datetime | None) -> list[_Version]:
    """Versions seen that say what the one seen before says, with others in between that are hidden.

    Without those in between it would have been the same sent again, which makes no version.
    """
    current, _ = _seen_and_hidden(connection, viewer, action, at)
    seen = {*_versions_seen(connection, viewer, action, at), *map(str, current)}
    found: list[_Version] = []
    for _, versions in groupby((_Version(*row) for row in connection.execute(_VERSIONS)), _Version.key):
        said, missed = None, False
        for version in versions:
            if version.place not in seen:
                missed = True
                continue
            if missed and version.content == said and said is not None:
                found.append(version)
            said, missed = version.content, False
    return found


class _Version(NamedTuple):
    type: str
    fhir_id: UUID
    rendition: int
    version: int
    place: str
    content: bytes | None

    def key(self) -> tuple[str, UUID, int]:
        return self.type, self.fhir_id, self.rendition


_VERSIONS = """
SELECT type, fhir_id, rendition, version, ctid::text, content_hash FROM resource_history WHERE NOT late
UNION ALL
SELECT type, fhir_id, rendition, version, rid::text, content_hash FROM resource r
WHERE EXISTS (
    SELECT FROM resource_history h WHERE (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition)
)
ORDER BY 1, 2, 3, 4
"""


def _unsay(connection: Connection, repeats: list[_Version]) -> None:
    """Each becomes what it repeats, which then is no past of it any more."""
    for *key, number, _, _ in repeats:
        row = connection.execute(
            "DELETE FROM resource_history WHERE (type, fhir_id, rendition, version) = (%(t)s, %(i)s, %(r)s, ("
            " SELECT max(version) FROM resource_history"
            "  WHERE (type, fhir_id, rendition) = (%(t)s, %(i)s, %(r)s) AND version < %(n)s))"
            " RETURNING updated, body",
            {**dict(zip("tir", key, strict=True)), "n": number},
        ).fetchone()
        for table in ("resource", "resource_history"):
            connection.execute(
                f"UPDATE {table} SET updated = %s, body = %s"
                " WHERE (type, fhir_id, rendition, version) = (%s, %s, %s, %s)",
                [*(row or ()), *key, number],
            )


# Numbers as they would be given: without holes. Backwards first, so that none is given twice on the way.
_COUNTED_DOWN = """
UPDATE resource_history h SET version = -n.number
FROM (
    SELECT type, fhir_id, rendition, version,
        row_number() OVER (PARTITION BY type, fhir_id, rendition ORDER BY version) AS number
    FROM resource_history
) n WHERE (n.type, n.fhir_id, n.rendition, n.version) = (h.type, h.fhir_id, h.rendition, h.version)
"""
_COUNTED = """
WITH forwards AS (UPDATE resource_history SET version = -version)
UPDATE resource r SET version = 1 + (
    SELECT count(*) FROM resource_history h
    WHERE (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition)
)
"""


def _seen_and_hidden(
    connection: Connection, viewer: Viewer, action: Giving = "access", at: datetime | None = None
) -> tuple[list[int], list[int]]:
    """Row numbers of `resource`, sorted."""
    with reader(Lent(connection), viewer, at, action=action) as view:
        seen = {row[0] for row in view.conn.execute("SELECT rid FROM resource")}
    every = {row[0] for row in connection.execute("SELECT rid FROM resource")}
    return sorted(seen), sorted(every - seen)


def _versions_seen(connection: Connection, viewer: Viewer, action: Giving, at: datetime | None) -> list[str]:
    """Where the rows of the history stand that the viewer may see."""
    with reader(Lent(connection), viewer, at, action=action) as view:
        return [row[0] for row in view.conn.execute("SELECT ctid::text FROM resource_history")]


def sample_material(connection: Connection, viewer: Viewer, seed: int, size: int = 400) -> Material:
    """What may be asked for, drawn as much from what the viewer sees as from what is hidden from him."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    drawn = [
        rid
        for rows in _seen_and_hidden(connection, viewer)
        for rid in random.sample(rows, min(size, len(rows)))
    ]
    found = connection.execute(
        "SELECT type, r.fhir_id::text, updated, body, p.fhir_id::text, p.golden_id::text"
        " FROM resource r LEFT JOIN patient p USING (patient) WHERE rid = ANY(%s)",
        [drawn],
    ).fetchall()
    patients = {("Patient", key) for *_, source, golden in found for key in (source, golden) if key}
    resources = [orjson.loads(row[3]) for row in found]
    deleted = connection.execute("SELECT type, fhir_id::text FROM resource_history WHERE ending LIMIT 50")
    patients |= set(deleted.fetchall())
    past = connection.execute(
        "SELECT type, fhir_id::text, updated FROM resource_history ORDER BY md5(fhir_id::text) LIMIT %s",
        [size],
    ).fetchall()
    panels = connection.execute(
        "SELECT 'Group', panel::text FROM panel WHERE participant = %s", [viewer.participant]
    )
    patients |= set(panels.fetchall())
    ids = patients | {(row[0], row[1]) for row in found}
    moments = [tuple(row[:3]) for row in (*found, *past)]
    versions = ((kind, key, version_id(at)) for kind, key, at in moments)
    return material_of(resources, ids, (at for *_, at in moments), versions)
