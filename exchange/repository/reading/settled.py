"""An answer is that of before or that of after: what changed between its statements is asked again.

Each statement reads what is committed when it begins. One snapshot for all of them cannot be had: the record
of the disclosure, in the same transaction, continues a chain that others continue meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from exchange.repository.reading.reader import Reader, select
from exchange.repository.reading.view import Served

Found = TypeVar("Found")
_AGAIN = 5


def settled(
    ask: Callable[[], Found], torn: Callable[[Found], bool], told: Callable[[Found], object]
) -> Found:
    """The first answer that is not torn, or that is told the same when it is asked again.

    A record whose Patient is hidden looks torn, and stays as it is.
    """
    found = ask()
    for _ in range(_AGAIN):
        if not torn(found):
            break
        before, found = found, ask()
        if told(found) == told(before):
            break
    return found


def as_told(served: Iterable[Served]) -> list[object]:
    """What tells two answers apart."""
    return [(one.type, one.id, one.version, one.person) for one in served]


def all_seen(reader: Reader, served: Iterable[Served]) -> bool:
    """Whether the viewer still sees every row of which these were made."""
    rids = sorted({rid for one in served for rid in one.rids})
    found = select(reader, "SELECT count(*) FROM resource r WHERE r.rid = ANY(%s)", (rids,))
    return bool(found[0][0] == len(rids))
