"""Where each value of a record came from, taken again from the sealed raw record."""

from __future__ import annotations

from exchange.app.opening import Exchange, find_partner
from exchange.mapping import trace_record
from exchange.model.errors import ContentError
from exchange.pipeline.ledger import ledger_record
from exchange.pipeline.map import source_record


def trace(exchange: Exchange, record: int) -> list[tuple[str, str, str, str]]:
    """(FHIR element, source position, map row, functions) of each value; raises ContentError when expired."""
    with exchange.work.connect() as connection:
        code, found = ledger_record(connection, record)
    if found.address is None:
        raise ContentError("this record has no raw content to explain", field=str(record))
    partner = find_partner(exchange.partners, code)
    payload = {found.address: exchange.work.landing.get(found.address)}
    return trace_record(source_record(found, partner, payload), exchange.work.maps(partner))
