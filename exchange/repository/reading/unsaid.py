"""What must not be said of a person: a Patient has many contributions, and none of them may say it.

One contribution that is silent, or says otherwise, does not make `gender:not=male` or `deceased=false` hold
of somebody of whom another one says it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from exchange.repository.reading.criteria import Criterion

_OPPOSITE = {"not": "", "not-in": "in"}
# A person is shown as active, or as deceased, when one contribution is as this modifier and value find it.
_SHOWN_TRUE = {"active": ("not", "false"), "deceased": ("", "true")}


class Said(NamedTuple):
    """What a contribution says; `wanted` False: who has such a contribution is not meant."""

    criterion: Criterion
    wanted: bool


def of_person(criterion: Criterion) -> Said:
    """A criterion about a person as one about his contributions."""
    modifier, values = criterion.modifier, criterion.values
    shown = _SHOWN_TRUE.get(criterion.parameter.name)
    if shown and modifier in ("", "not") and values in (("true",), ("false",)):
        as_found = replace(criterion, modifier=shown[0], values=(shown[1],))
        return Said(as_found, wanted=(values == ("true",)) is (modifier == ""))
    if modifier in _OPPOSITE:
        return Said(replace(criterion, modifier=_OPPOSITE[modifier]), wanted=False)
    if modifier == "missing" and values == ("true",):
        return Said(replace(criterion, values=("false",)), wanted=False)
    return Said(criterion, wanted=True)
