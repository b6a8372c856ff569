"""Where each value of a record came from, and what of it was left, taken again from the sealed raw record."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from exchange.app.opening import Exchange, find_partner
from exchange.mapping.coverage import lost, positions, unread
from exchange.mapping.record import traced
from exchange.model.errors import ContentError, RecordRejected
from exchange.pipeline.carry import filled_from, known_before
from exchange.pipeline.ledger import ledger_record, refused_while_pulling
from exchange.pipeline.map import source_record


@dataclass(frozen=True, slots=True)
class Lineage:
    """`values` are (FHIR element, source position, map row, functions); `unread` are filled source positions
    that no row read, `lost` those of them that a clinician wrote; `source` is the SHA-256 of the raw record.
    `filled` is what the record leaves empty and earlier ones state: (field, when, number of that record).
    """

    record: int
    partner: str
    source: str
    mapping: str
    values: list[tuple[str, str, str, str]]
    unread: list[str]
    lost: list[str]
    filled: list[tuple[str, str, int | None]]


def trace(exchange: Exchange, name: str) -> Lineage:
    """The lineage of a record number or of the record that last wrote `Type/id`.

    Raises ContentError for neither, and where the raw record is kept no longer; RecordRejected with what the
    map says where it refuses the whole record, or why no map ever saw it.
    """
    record = record_number(exchange, name)
    with exchange.work.connect() as connection:
        code, found = ledger_record(connection, record)
        refused = refused_while_pulling(connection, [record]).get(record)
    if refused is not None:
        raise RecordRejected(
            refused.detail, code=refused.code, expression=refused.expression, position=refused.position
        )
    if found.address is None:
        raise ContentError("this record has no raw content to explain", field=name)
    partner = find_partner(exchange.partners, code)
    source = source_record(found, partner, {found.address: exchange.work.landing.get(found.address)})
    maps = exchange.work.maps(partner)
    if source.feed not in maps.feeds:
        raise ContentError("no map made this record: the exchange itself wrote it", field=name)
    keyring = exchange.work.batches.keyring
    with exchange.work.connect() as connection:
        (known,) = known_before(connection, [source], maps, keyring)
        filled = filled_from(connection, source, maps, keyring)
    observed = exchange.observed(partner)
    held = positions(source, observed)
    return Lineage(
        record=record,
        partner=code,
        source=found.digest.hex(),
        mapping=maps.digest,
        values=traced(source, observed, known),
        unread=unread(held),
        lost=lost(held),
        filled=filled,
    )


def record_number(exchange: Exchange, name: str) -> int:
    """A record number as it is, `Type/id` as the record that last wrote it; ContentError for neither."""
    if name.isdecimal():
        return int(name)
    kind, _, text = name.partition("/")
    try:
        own = UUID(text)
    except ValueError:
        raise ContentError("a record number or `Type/id` is needed", field="record") from None
    with exchange.work.connect() as connection:
        row = connection.execute(
            "SELECT record FROM resource WHERE type = %s AND fhir_id = %s ORDER BY record DESC LIMIT 1",
            [kind, own],
        ).fetchone()
    if row is None:
        raise ContentError("no such resource in the repository", field=kind)
    return int(row[0])
