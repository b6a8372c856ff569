"""Quantities in the base units of UCUM, so that 5 mg is found as 0.005 g (https://ucum.org/ucum)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.model.ucum import is_ucum

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

UCUM = "http://unitsofmeasure.org"

USUAL = Path(__file__).with_name("usual_units.csv")

# Units in brackets that convert; the others are arbitrary and compare with nothing but themselves.
_CONVERTED = frozenset(
    {"lb_av", "oz_av", "in_i", "ft_i", "yd_i", "mi_i", "degF", "Hg", "H2O"}
    | {"foz_us", "cup_us", "pt_us", "qt_us", "gal_us", "tsp_us", "tbs_us"}
)
_BRACKETS = re.compile(r"\[([^\]]*)\]")

# Powers are worked out to the last digit: 10*99999999 would take all memory and never end.
_LONGEST = 60
_ONLY_SAID = re.compile(r"\{[^{}]*\}")
_ENDLESS = re.compile(r"[0-9]{6}|[*^][+-]?[0-9]{3}")


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit as `factor` and `offset` of the base unit whose name is `base`."""

    factor: float
    offset: float
    base: str

    def of(self, value: float) -> float:
        """The value in base units, rounded to what doubles hold through a conversion."""
        return float(f"{value * self.factor + self.offset:.12g}")


@lru_cache(maxsize=4096)
def scale(code: str) -> Scale | None:
    """The scale of a UCUM code; None for one that cannot be converted.

    >>> scale("mg").of(5) == scale("g").of(0.005), scale("mg").base == scale("g").base
    (True, True)
    >>> scale("[degF]").of(98.6) == scale("Cel").of(37)
    True
    >>> [scale(code) for code in ("mgs", "[IU]/L", "B", "{score}", "10*99999999")]
    [None, None, None, None, None]
    """
    usual = usual_scales()
    return usual[code] if code in usual else worked_out(code)


@cache
def usual_scales() -> Mapping[str, Scale | None]:
    """What `worked_out` says of the units that nearly all quantities have, kept as a table.

    `generate_units.py` beside it works them out.
    """
    with USUAL.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: _read(row) for row in csv.DictReader(lines)}


def _read(row: Mapping[str, str]) -> Scale | None:
    return Scale(float(row["factor"]), float(row["offset"]), row["base"]) if row["base"] else None


def worked_out(code: str) -> Scale | None:
    """The scale by the registry of all units, which takes a second to come to."""
    if len(code) > _LONGEST or _ENDLESS.search(code) or _ONLY_SAID.fullmatch(code) or not is_ucum(code):
        return None
    if not _CONVERTED.issuperset(_BRACKETS.findall(code)):
        return None
    try:
        registry = _registry()
        unit = registry.from_ucum(code)
        if isinstance(unit, str):
            return None
        zero, one, two = (
            registry.Quantity(n * unit.magnitude, unit.units).to_base_units() for n in (0.0, 1.0, 2.0)
        )
        found = Scale(float(one.magnitude - zero.magnitude), float(zero.magnitude), str(one.units))
        return found if isclose(found.of(2.0), two.magnitude) else None  # not a logarithm
    except Exception:  # the parser and the registry raise errors of many kinds of their own
        return None


@cache
def _registry() -> PintUcumRegistry:
    """Made when first needed."""
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
