"""Bytes to records: what a partner's document holds, cut into the pieces that are mapped on their own."""

from exchange.formats.records import Rejected
from exchange.formats.split import split

__all__ = ["Rejected", "split"]
