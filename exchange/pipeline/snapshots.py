"""Groups of which the newest message says all there is: what it leaves out is gone, whichever arrives last.

HL7 v2.5.1 chapter 2.10.4, snapshot mode: http://www.hl7.eu/HL7v2x/v251/std251/ch02.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from exchange.pipeline.ledger import Connection

Row = dict[str, Any]
Snapshot = tuple[datetime, frozenset[str]]
"""When it was sent, and the `Type/id` that are all there is."""


def read_snapshots(connection: Connection, partner: str, rows: Sequence[Row]) -> dict[str, Snapshot]:
    """The newest of each group that the rows speak of."""
    names = sorted({name for row in rows for name in row.get("snapshots", ())})
    found = connection.execute(
        "SELECT name::text, sent, members FROM snapshot WHERE partner = %s AND name = ANY(%s::uuid[])",
        [partner, names],
    ).fetchall()
    return {name: (sent, frozenset(members)) for name, sent, members in found}


def follow_snapshots(before: Mapping[str, Snapshot], rows: Sequence[Row]) -> list[Row]:
    """The rows with what a newer snapshot has replaced taken out (`replaced`) or deleted (`deletes`).

    A record that could not be read whole replaces nothing: bad input deletes nothing.

    >>> row = {"event_time": "2026-03-01T00:00:00+00:00", "issues": [], "deletes": [], "resources": [],
    ...        "ids": ["Flag/1"], "conditional": [], "snapshots": {"n": ["Flag/1"]}}
    >>> later = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    >>> follow_snapshots({"n": (later, frozenset(["Flag/2"]))}, [row])[0]["replaced"]
    ['Flag/1']
    >>> earlier = datetime.fromisoformat("2026-02-01T00:00:00+00:00")
    >>> follow_snapshots({"n": (earlier, frozenset(["Flag/2"]))}, [row])[0]["deletes"]
    ['Flag/2']
    """
    newest = newest_of(before, rows)
    return [_followed(row, before, newest) for row in rows]


def newest_of(before: Mapping[str, Snapshot], rows: Sequence[Row]) -> dict[str, Snapshot]:
    """The newest of each group after the rows; of two sent at one time the one that came last."""
    newest = dict(before)
    for row in rows:
        sent = _sent(row) if row.get("snapshots") else None
        for name, members in row.get("snapshots", {}).items() if sent and _is_whole(row) else ():
            if sent and (name not in newest or newest[name][0] <= sent):
                newest[name] = (sent, frozenset(members))
    return newest


def _followed(row: Row, before: Mapping[str, Snapshot], newest: Mapping[str, Snapshot]) -> Row:
    if not row.get("snapshots"):
        return {**row, "replaced": [], "deletes": sorted(set(row["deletes"]))}
    replaced: set[str] = set()
    gone: set[str] = set()
    for name, members in row.get("snapshots", {}).items():
        known = newest.get(name)
        sent = _sent(row)
        if known is None or sent is None:
            continue
        if sent <= known[0]:
            replaced |= set(members) - known[1]
        if name in before and before[name] != known:
            gone |= before[name][1] - known[1]
    return {
        **row,
        "replaced": sorted(replaced),
        "deletes": sorted({*row["deletes"], *gone}),
        "ids": [reference for reference in row["ids"] if reference not in replaced],
        "conditional": [reference for reference in row["conditional"] if reference not in replaced],
        "resources": [item for item in row["resources"] if _reference(item) not in replaced],
    }


def _reference(item: Row) -> str:
    return f"{item['resource']['resourceType']}/{item['resource']['id']}"


def _sent(row: Row) -> datetime | None:
    return datetime.fromisoformat(row["event_time"]) if row["event_time"] else None


def _is_whole(row: Row) -> bool:
    return not any(issue["severity"] in ("error", "fatal") for issue in row["issues"])


def write_snapshots(
    connection: Connection, partner: str, before: Mapping[str, Snapshot], rows: Sequence[Row]
) -> None:
    """Remembers the newest of each group; no record claims any longer what one of them left out."""
    changed = {name: found for name, found in newest_of(before, rows).items() if found != before.get(name)}
    gone = sorted(
        {r for name, (_, members) in changed.items() if name in before for r in before[name][1] - members}
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO snapshot VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (partner, name) DO UPDATE SET sent = excluded.sent, members = excluded.members",
            [(partner, name, sent, sorted(members)) for name, (sent, members) in sorted(changed.items())],
        )
    if not gone:
        return
    connection.execute(
        "UPDATE record_state"
        " SET resources = ARRAY(SELECT r FROM unnest(resources) AS r WHERE r <> ALL(%(g)s))"
        " WHERE partner = %(p)s AND resources && %(g)s",
        {"p": partner, "g": gone},
    )
