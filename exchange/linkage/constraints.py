"""What no probability may overrule: who is certainly not the same person, and who needs a steward's eye."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.linkage.features import Features

GENERATION_YEARS = 12
"""Two birth years further apart than this are two people (a newborn and its mother), not a slip."""

_SAME_NAME = frozenset({"exact", "form"})
_LIKE_BIRTH = frozenset({"exact", "slip"})
_LIKE_NAME = frozenset({"exact", "form", "similar"})


def apart(a: Features, b: Features, levels: Mapping[str, str]) -> str:
    """The name of the constraint that makes two people of the two records; empty when none does."""
    if _birth_orders_differ(a, b) and levels.get("birth_date") in _LIKE_BIRTH:
        return "birth-order"
    if _born_after_death(a, b) or _born_after_death(b, a):
        return "impossible-dates"
    if levels.get("ssn") in ("exact", "last4") or levels.get("identifier") == "exact":
        return ""
    if _years_apart(a, b) > GENERATION_YEARS:
        return "generations"
    given = levels.get("given")
    if given == "distinct" or (given == "different" and levels.get("sex") == "different"):
        return "given-name"
    unlike_birth = levels.get("birth_date") == "different"
    if levels.get("ssn") == "different" and (unlike_birth or given not in _LIKE_NAME):
        return "ssn"
    if unlike_birth and given == "different":
        return "name-and-birth-date"
    return ""


def needs_steward(a: Features, b: Features, levels: Mapping[str, str]) -> str:
    """The name of the reason why the model alone may not link the two; empty when it may."""
    given, birth, ssn = levels.get("given", ""), levels.get("birth_date", ""), levels.get("ssn", "")
    proven = ssn == "exact" or levels.get("identifier") == "exact"
    if given in ("different", "distinct"):
        return "given-name"
    if given in ("", "initial", "part") and not (proven and birth == "exact"):
        return "given-name-unknown"
    if given != "exact" and not proven and (levels.get("sex") == "different" or _multiple(a, b)):
        return "twin"
    if levels.get("surname") == "swapped" and levels.get("sex") == "different" and not proven:
        return "twin"
    if levels.get("middle") == "different" and not proven:
        return "middle-name"
    if given != "exact" and birth == "slip" and not proven:
        return "name-and-birth-date"
    near = _years_apart(a, b) <= GENERATION_YEARS
    if birth == "different" and not (proven and near and given in _SAME_NAME):
        return "birth-date"
    if birth == "" and not proven and levels.get("email") != "exact":
        return "birth-date-unknown"
    if ssn == "different" and not (given == birth == "exact" and _same_home(levels)):
        return "ssn"
    if _generations_differ(a, b):
        return "generation"
    return ""


def _same_home(levels: Mapping[str, str]) -> bool:
    if levels.get("surname") not in ("exact", "part", "similar"):
        return False
    contacts = levels.get("phone"), levels.get("email"), levels.get("address")
    return "exact" in contacts or levels.get("address") == "building"


def _birth_orders_differ(a: Features, b: Features) -> bool:
    return bool(a.birth_order and b.birth_order and a.birth_order != b.birth_order)


def _born_after_death(a: Features, b: Features) -> bool:
    return bool(a.birth_date and b.death_date and a.birth_date > b.death_date)


def _years_apart(a: Features, b: Features) -> int:
    if not a.birth_date or not b.birth_date:
        return 0
    return abs(int(a.birth_date[:4]) - int(b.birth_date[:4]))


def _multiple(a: Features, b: Features) -> bool:
    return a.multiple_birth or b.multiple_birth


def _generations_differ(a: Features, b: Features) -> bool:
    return bool(a.generation and b.generation and a.generation != b.generation)
