"""What every row in binary COPY is put together from.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY-FORMAT
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct

HEAD, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
LENGTH = Struct(">i").pack
"""Of a value, before it."""

_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A timestamptz: from the first moment of 2000 in UTC on."""
    return (moment - _EPOCH) // _MICROSECOND
