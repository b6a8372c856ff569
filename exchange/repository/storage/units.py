"""Quantities in the base units of UCUM, so that 5 mg is found as 0.005 g (https://ucum.org/ucum)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isclose
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

UCUM = "http://unitsofmeasure.org"

# Units in brackets that convert; the others are arbitrary and compare with nothing but themselves.
_CONVERTED = frozenset(
    {"lb_av", "oz_av", "in_i", "ft_i", "yd_i", "mi_i", "degF", "Hg", "H2O"}
    | {"foz_us", "cup_us", "pt_us", "qt_us", "gal_us", "tsp_us", "tbs_us"}
)
_BRACKETS = re.compile(r"\[([^\]]*)\]")

# Powers are worked out to the last digit: 10*99999999 would take all memory and never end.
_LONGEST = 60
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
    if len(code) > _LONGEST or _ENDLESS.search(code):
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
    """Made when first needed: it takes half a second."""
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
