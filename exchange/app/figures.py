"""What pages show of everything, counted ahead of who looks; upkeep does it every hour."""

from __future__ import annotations

from exchange.app.opening import Exchange
from exchange.app.partners.coalition import counted_once
from exchange.app.privacy.shares import count_shares
from exchange.audit.days import count_days


def count_figures(exchange: Exchange) -> int:
    """The log by day, records by class, the coalition's figures of today; returns the records of the log."""
    at = exchange.work.now()
    with exchange.work.connect() as connection:
        counted = count_days(connection)
        connection.commit()
        count_shares(connection, at)
        connection.commit()
        counted_once(connection, at.date())
    return counted
