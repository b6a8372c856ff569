"""What participants push to the API, as one more source of the same five steps.

The cursor is the number of the last push that was landed; what lies before it is emptied, for its raw
records are in the landing store by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from exchange.connectors import Connector
from exchange.crypto import Keyring, seal, unseal
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document
from exchange.pipeline.ledger import Connection


def seal_push(payload: bytes, keyring: Keyring, participant: str) -> bytes:
    """As it waits in the database."""
    return seal(payload, keyring, _context(participant))


def push_feed(partner: Partner) -> str:
    """The feed that takes what is pushed; raises ContentError when there is none for FHIR."""
    found = [name for name, feed in partner.feeds.items() if feed.format == "fhir_json"]
    if not found:
        raise ContentError("pushing needs a feed of format fhir_json", field="feeds")
    return found[0]


def connect_push(
    partner: Partner, connect: Callable[[], AbstractContextManager[Connection]], keyring: Keyring
) -> Connector:
    """The connector of a partner whose partner.yaml says `connector: {type: push}`."""
    feed = push_feed(partner)

    def pull(cursor: Mapping[str, Any] | None) -> Iterator[Document | Checkpoint]:
        after = int((cursor or {}).get("push", 0))
        with connect() as connection:
            connection.execute(
                "UPDATE push SET payload = NULL"
                " WHERE participant = %s AND push <= %s AND payload IS NOT NULL",
                (partner.code, after),
            )
            connection.commit()
            while row := _next(connection, partner.code, after):
                after, payload, received = row
                plain = unseal(payload, keyring, _context(partner.code))
                yield Document(feed, f"push/{after}", plain, modified=received)
                yield Checkpoint({"push": after})

    return pull


def _next(connection: Connection, participant: str, after: int) -> tuple[int, bytes, Any] | None:
    row = connection.execute(
        "SELECT push, payload, received FROM push"
        " WHERE participant = %s AND push > %s AND payload IS NOT NULL ORDER BY push LIMIT 1",
        (participant, after),
    ).fetchone()
    connection.commit()
    return (row[0], row[1], row[2]) if row else None


def _context(participant: str) -> bytes:
    return f"push {participant}".encode()
