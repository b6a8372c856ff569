"""The exchange put together: what the command line, the API and the scheduler call."""

from exchange.app.current import Current
from exchange.app.opening import (
    Exchange,
    content,
    database_url,
    find_partner,
    local_paths,
    open_exchange,
    partner_environment,
)
from exchange.app.records.runs import balance, begin_run, parse_time, replay_quarantine
from exchange.app.records.withheld import Withheld, withheld_of

__all__ = [
    "Current",
    "Exchange",
    "Withheld",
    "balance",
    "begin_run",
    "content",
    "database_url",
    "find_partner",
    "local_paths",
    "open_exchange",
    "parse_time",
    "partner_environment",
    "replay_quarantine",
    "withheld_of",
]
