"""Which record claims which resources, so that what no record claims any more is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exchange.pipeline.ledger import Connection

Row = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claims:
    """`held`: each record key's resources after this chunk; `released`: what nobody claims any more.

    `known`: the keys that earlier chunks left something of.
    """

    held: dict[Key, tuple[str, ...]]
    released: tuple[str, ...]
    known: frozenset[Key]


def read_claims(connection: Connection, partner: str, rows: Sequence[Row]) -> Claims:
    """What the chunk's rows claim and release, given what earlier chunks claimed."""
    before = claims_before(connection, partner, rows)
    held, dropped, told = follow(before, rows)
    claimed = {reference for resources in held.values() for reference in resources}
    free = dropped - claimed
    free -= _claimed_elsewhere(connection, partner, free, held)
    return Claims(held, tuple(sorted(free | (told - claimed))), frozenset(before))


def claims_before(connection: Connection, partner: str, rows: Sequence[Row]) -> dict[Key, tuple[str, ...]]:
    """What is claimed by the rows' keys that are known."""
    keys = list({(row["feed"], row["key"]) for row in rows})
    return {
        (feed, key): tuple(resources)
        for feed, key, resources in connection.execute(
            "SELECT k.feed, k.key, s.resources FROM unnest(%s::text[], %s::text[]) AS k (feed, key)"
            " CROSS JOIN LATERAL (SELECT resources FROM record_state t"
            "  WHERE (t.feed, t.key) = (k.feed, k.key) AND t.partner = %s OFFSET 0) AS s",
            [[key[0] for key in keys], [key[1] for key in keys], partner],
        )
    }


def follow(
    before: dict[Key, tuple[str, ...]], rows: Sequence[Row]
) -> tuple[dict[Key, tuple[str, ...]], set[str], set[str]]:
    """Claims after the rows, references dropped on the way, references a partner said to delete.

    A record that could not be read whole keeps what it claimed: bad input deletes nothing. One that is
    forbidden by now keeps nothing.

    >>> row = {"feed": "f", "key": "k", "deleted": False, "issues": [], "deletes": [], "ids": ["Goal/2"]}
    >>> follow({("f", "k"): ("Goal/1",)}, [row])
    ({('f', 'k'): ('Goal/2',)}, {'Goal/1'}, set())
    """
    held, dropped, told = dict(before), set[str](), set[str]()
    for row in rows:
        key = (row["feed"], row["key"])
        now = set() if row["deleted"] else set(row["ids"])
        wrong = {issue["code"] for issue in row["issues"] if issue["severity"] in ("error", "fatal")}
        if wrong and "forbidden" not in wrong:
            now |= set(held.get(key, ()))
        dropped |= set(held.get(key, ())) - now
        dropped -= now
        told = (told | set(row["deletes"])) - now
        held[key] = tuple(sorted(now))
    return held, dropped, told


def _claimed_elsewhere(
    connection: Connection, partner: str, references: set[str], held: dict[Key, tuple[str, ...]]
) -> set[str]:
    if not references:
        return set()
    found = connection.execute(
        "SELECT feed, key, resources FROM (SELECT * FROM record_state WHERE resources && %s OFFSET 0) AS s"
        " WHERE partner = %s",
        [sorted(references), partner],
    ).fetchall()
    return {reference for feed, key, resources in found if (feed, key) not in held for reference in resources}


def write_claims(connection: Connection, partner: str, rows: Sequence[Row], claims: Claims) -> None:
    """Remembers each key's digest and claims; a deleted record is forgotten.

    What is known goes first and all is copied in: INSERT … ON CONFLICT costs twice as much for each key of a
    first load. The caller holds the partner's lock, so nobody else writes these keys.
    """
    latest = {(row["feed"], row["key"]): row for row in rows}
    before = [key for key in latest if key in claims.known]
    if before:
        connection.execute(
            "DELETE FROM record_state s USING unnest(%s::text[], %s::text[]) AS k (feed, key)"
            " CROSS JOIN LATERAL (SELECT ctid FROM record_state t WHERE (t.feed, t.key) = (k.feed, k.key)"
            "  AND t.partner = %s OFFSET 0) AS known WHERE s.ctid = known.ctid",
            [[feed for feed, _ in before], [key for _, key in before], partner],
        )
    with connection.cursor().copy(
        "COPY record_state (partner, feed, key, digest, record, resources) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(("text", "text", "text", "bytea", "int8", "text[]"))
        for key, row in latest.items():
            if not row["deleted"]:
                digest, held = bytes.fromhex(row["digest"]), list(claims.held[key])
                copy.write_row((partner, *key, digest, row["record"], held))
