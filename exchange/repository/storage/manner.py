"""In which manner index rows are written, as a name that changes with it."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from exchange.repository.storage.units import USUAL

EDITION = 1
"""Raised by whoever changes what `index_rows` finds in a record, other than by `search_parameters.csv`.

Not where a migration writes the rows of all that is stored (191_windows_of_time.sql).
"""


@cache
def manner() -> str:
    """The parameters served, the units that convert, and the edition of what reads their values."""
    table = files("exchange.repository.storage").joinpath("search_parameters.csv").read_bytes()
    return sha256(b"%d\n%b\n%b" % (EDITION, table, USUAL.read_bytes())).hexdigest()[:16]
