"""Is a string a UCUM unit? Case-sensitive grammar and units of measure (https://ucum.org/ucum)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

_PREFIXES = frozenset(
    ["Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y"]
) | {"Ki", "Mi", "Gi", "Ti"}
_ANNOTATION = re.compile(r"\{[!-z|~ ]*\}")
_UNIT = re.compile(r"^(?P<atom>10[*^]|.*?[^0-9+-])(?P<exponent>[+-]?[0-9]+)?$")
_OPERATOR = re.compile(r"[./]")
_PARENTHESES = re.compile(r"\(([^()]*)\)")


@lru_cache(maxsize=4096)
def is_ucum(code: str) -> bool:
    """Whether the code is a term of UCUM's grammar over known units.

    >>> [is_ucum(code) for code in ("mg/dL", "mm[Hg]", "10*3/uL", "{score}", "mL/min/{1.73_m2}")]
    [True, True, True, True, True]
    >>> [is_ucum(code) for code in ("mgs", "lbs", "mg per dL", "mmHg", "")]
    [False, False, False, False, False]
    """
    term = _ANNOTATION.sub("{}", code)
    while (inner := _PARENTHESES.search(term)) is not None:
        if not _is_term(inner.group(1)):
            return False
        term = f"{term[: inner.start()]}1{term[inner.end() :]}"
    return _is_term(term)


def _is_term(term: str) -> bool:
    components = _OPERATOR.split(term.removeprefix("/"))
    return all(_is_component(component) for component in components)


def _is_component(component: str) -> bool:
    """A unit with an optional exponent, a factor or an annotation alone, annotations behind allowed."""
    bare = component.removesuffix("{}")
    if not bare:
        return bool(component)
    if bare.isdecimal():
        return True
    unit = _UNIT.match(bare)
    return unit is not None and _is_unit(unit["atom"])


def _is_unit(atom: str) -> bool:
    """A unit of the table, or a metric one behind a prefix."""
    units = _units()
    return atom in units or any(atom[:n] in _PREFIXES and units.get(atom[n:], False) for n in (1, 2))


@cache
def _units() -> Mapping[str, bool]:
    """UCUM's unit atoms and whether each may take a prefix."""
    with files("exchange.model").joinpath("ucum_units.csv").open(encoding="utf-8") as lines:
        return {row["code"]: row["metric"] == "yes" for row in csv.DictReader(lines)}
