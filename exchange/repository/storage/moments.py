"""When versions are stored, which is the first half of their names: no number is told.

A number would skip what a requester may not see, and so tell that there is something (decision 0138). The
other half is a digest of what the requester is told: of one record it may be more or less (decision 0150).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import orjson
import psycopg

from exchange.model.records import Resource
from exchange.repository.storage.store import Key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)
_ONE_BATCH = timedelta(seconds=1)
_NAMED = re.compile(rb'"versionId":"([0-9a-f]+)-[0-9a-f]{16}"')  # a quote within a string is escaped


def served(resource: Resource, at: datetime) -> bytes:
    """The resource's JSON with the version and time of the repository."""
    meta = {**resource.get("meta", {}), "versionId": version_id(at), "lastUpdated": instant(at)}
    return orjson.dumps({**resource, "meta": meta})


@lru_cache(maxsize=4096)
def version_id(at: datetime) -> str:
    """What a version stored at that moment is called: it tells its time, and nothing of what was before it.

    >>> version_id(datetime(2026, 11, 23, 9, 0, 0, 5, tzinfo=UTC))
    '1795424400000005'
    """
    return str((at - _EPOCH) // _STEP)


def named(body: bytes, stored: str) -> tuple[str, bytes]:
    """The full name of what a viewer is told of a version, and the same with that name in it.

    `stored` is the name that stands in it: of all that is stored, whatever of it this viewer is told.

    >>> named(b'{"meta":{"versionId":"5"},"status":"final"}', "5")
    ('5-9e26c4312c762cc6', b'{"meta":{"versionId":"5-9e26c4312c762cc6"},"status":"final"}')
    """
    name = f"{stored}-{blake2b(body, digest_size=8).hexdigest()}"
    return name, body.replace(b'"versionId":"%b"' % stored.encode(), b'"versionId":"%b"' % name.encode())


def renamed(body: bytes) -> tuple[str, bytes]:
    """The same for what was told otherwise before: nothing of that stays in its name.

    >>> renamed(b'{"meta":{"versionId":"5-0123456789abcdef"},"status":"final"}')[0]
    '5-9e26c4312c762cc6'
    """
    found = _NAMED.search(body)
    if found is None:
        return "", body
    return named(_NAMED.sub(rb'"versionId":"\1"', body, count=1), found[1].decode())


def stored_name(version: str) -> str:
    """What all forms of a version are called alike.

    >>> stored_name("1795424400000005-9e26c4312c762cc6"), stored_name("1795424400000005")
    ('1795424400000005', '1795424400000005')
    """
    return version.partition("-")[0]


@lru_cache(maxsize=64)
def instant(at: datetime) -> str:
    """FHIR instant in UTC, to the millisecond.

    >>> instant(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
    '2026-11-23T09:00:00.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_after(
    conn: psycopg.Connection, references: Collection[tuple[str, UUID]], at: datetime, states: int
) -> datetime:
    """`at`, or a moment later than all that is stored of these, with room for so many states of each between.

    It is that of everything stored together: nothing tells which of it had to wait.
    """
    row = conn.execute(
        "SELECT max(updated) FROM (SELECT updated FROM resource WHERE type = ANY(%(types)s)"
        "  AND updated > %(from)s AND fhir_id = ANY(%(ids)s)"
        " UNION ALL SELECT updated FROM resource_history WHERE type = ANY(%(types)s)"
        "  AND updated > %(from)s AND fhir_id = ANY(%(ids)s)) AS s",
        {
            "types": sorted({kind for kind, _ in references}),
            "ids": sorted({fhir_id for _, fhir_id in references}),
            "from": at - states * _STEP,
        },
    ).fetchone()
    latest = row[0] if row else None
    return at if latest is None else latest + states * _STEP


def step_back(conn: psycopg.Connection, keys: Sequence[Key], at: datetime) -> None:
    """Dates back by a step what was put into the past in the transaction that stored it, at that very moment.

    Nobody saw it yet. What is stored last has the moment of all that is stored with it, so that its name does
    not tell how many states of the record came in one batch.
    """
    found = conn.execute(
        "SELECT type, fhir_id, rendition, version, updated, body FROM resource_history"
        " JOIN unnest(%s::text[], %s::uuid[], %s::int[]) AS n (type, fhir_id, rendition)"
        "  USING (type, fhir_id, rendition)"
        " WHERE NOT late AND updated > %s ORDER BY type, fhir_id, rendition, version DESC",
        ([k.type for k in keys], [k.fhir_id for k in keys], [k.rendition for k in keys], at - _ONE_BATCH),
    ).fetchall()
    moved = []
    for key, rows in groupby(found, key=itemgetter(0, 1, 2)):
        for number, (*_, version, updated, body) in enumerate(rows):
            if updated != at - number * _STEP:
                break
            earlier = updated - _STEP
            moved.append((earlier, body and served(orjson.loads(body), earlier), *key, version))
    with conn.cursor() as cursor:
        cursor.executemany(
            "UPDATE resource_history SET updated = %s, body = %s"
            " WHERE (type, fhir_id, rendition, version) = (%s, %s, %s, %s)",
            moved,
        )
