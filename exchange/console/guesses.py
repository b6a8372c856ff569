"""How many passwords are tried at once, and from one address over all accounts: each costs 64 MiB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from threading import BoundedSemaphore
from typing import Any

import psycopg

MOST = 50
"""Wrong passwords of one address in `SPAN`; a clinic's people may share one."""
SPAN = timedelta(minutes=15)

# Two hashes at once and six that wait leave most of the console's threads to those who are signed in.
_AT_WORK = BoundedSemaphore(2)
_LET_IN = BoundedSemaphore(8)


class Busy(Exception):
    """As many passwords are being tried as may be."""


@contextmanager
def one_of_few() -> Iterator[None]:
    """A place to hash a password in; raises Busy when too many wait for one already."""
    if not _LET_IN.acquire(blocking=False):
        raise Busy
    try:
        with _AT_WORK:
            yield
    finally:
        _LET_IN.release()


def guessed_enough(connection: psycopg.Connection[Any], address: str, at: datetime) -> bool:
    """Did too many wrong passwords come from the address to try one more?"""
    row = connection.execute(
        "SELECT 1 FROM console_guess WHERE address = %s AND failures >= %s AND since > %s",
        [neighbourhood(address), MOST, at - SPAN],
    ).fetchone()
    return row is not None


def note_guess(connection: psycopg.Connection[Any], address: str, at: datetime) -> None:
    """Counts a wrong password, of an account that exists or not."""
    connection.execute("DELETE FROM console_guess WHERE since <= %s", [at - SPAN])
    connection.execute(
        "INSERT INTO console_guess VALUES (%s, 1, %s)"
        " ON CONFLICT (address) DO UPDATE SET failures = console_guess.failures + 1",
        [neighbourhood(address), at],
    )


def neighbourhood(address: str) -> str:
    """The address, of IPv6 the network of 64 bits that one household or office has to itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
