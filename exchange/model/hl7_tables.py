"""HL7 v2's tables as R4 was published with them, made by exchange/validation/generate.py.

https://terminology.hl7.org/codesystems-v2.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import orjson


@cache
def _tables() -> Mapping[str, frozenset[str]]:
    written = files("exchange.model").joinpath("hl7_tables.json").read_bytes()
    return {number: frozenset(codes) for number, codes in orjson.loads(written).items()}


def is_listed(number: str, code: str) -> bool:
    """Whether a table has a code; a table that R4 does not define may hold any.

    >>> is_listed("0069", "MED"), is_listed("0069", "EM"), is_listed("0099", "VIP7")
    (True, False, True)
    """
    codes = _tables().get(number)
    return codes is None or code in codes
