"""Law 3 on live data: what a requester is answered must not depend on what he may not see.

The hidden rows are really removed, in a transaction that the caller rolls back.
"""

from __future__ import annotations

from random import Random

import orjson

from exchange.app.prove.asking import Material, material_of
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import Lent, reader, remove_rows


def remove_hidden(connection: Connection, viewer: Viewer) -> int:
    """Removes every row of `resource` the viewer may not see, its past and the ledger of what is withheld.

    Returns how many rows.
    """
    _, hidden = _seen_and_hidden(connection, viewer)
    versions = _versions_seen(connection, viewer)
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
    return len(hidden)


def _seen_and_hidden(connection: Connection, viewer: Viewer) -> tuple[list[int], list[int]]:
    """Row numbers of `resource`, sorted."""
    with reader(Lent(connection), viewer) as view:
        seen = {row[0] for row in view.conn.execute("SELECT rid FROM resource")}
    every = {row[0] for row in connection.execute("SELECT rid FROM resource")}
    return sorted(seen), sorted(every - seen)


def _versions_seen(connection: Connection, viewer: Viewer) -> list[str]:
    """Where the rows of the history stand that the viewer may see."""
    with reader(Lent(connection), viewer) as view:
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
    panels = connection.execute(
        "SELECT 'Group', panel::text FROM panel WHERE participant = %s", [viewer.participant]
    )
    patients |= set(panels.fetchall())
    return material_of(resources, patients | {(row[0], row[1]) for row in found}, (row[2] for row in found))
