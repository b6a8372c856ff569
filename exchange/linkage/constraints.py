"""What no probability may overrule: who is certainly not the same person, and who needs a steward's eye."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.linkage.features import Features

GENERATION_YEARS = 12
"""Two birth years further apart than this are two people (a newborn and its mother), not a slip."""

SLIP_YEARS = 10
"""Birth years this far apart differ by one key, and in a family that hands its names on by a person."""

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
    proven = _proven(levels)
    if not _near(a, b):
        return "generations"
    if given in ("different", "distinct"):
        return "given-name"
    if given in ("", "initial", "part") and not (birth == "exact" and (proven or _one_initial(levels))):
        return "given-name-unknown"
    if given == "alike" and not _one_of_a_kind(a, b, levels):
        return "twin"
    if not proven and _may_be_twin(a, b, levels):
        return "twin"
    if levels.get("middle") == "distinct" or (levels.get("middle") == "different" and not proven):
        return "middle-name"
    if given != "exact" and birth == "slip" and not proven:
        return "name-and-birth-date"
    if not proven and _two_names_doubtful(levels):
        return "names"
    if birth == "different" and not (given in _SAME_NAME if proven else _mistyped(levels)):
        return "birth-date"
    if birth == "year" and not (proven or _somewhere(levels)):
        return "birth-date"
    if birth == "" and not (proven or _never_shared(a, b, levels)):
        return "birth-date-unknown"
    if not (given == birth == "exact" and _same_home(levels)):
        if ssn == "different":
            return "ssn"
        if not proven and _numbers_differ(a, b):
            return "number"
    if _generations_differ(a, b):
        return "generation"
    return ""


def needs_certainty(levels: Mapping[str, str]) -> str:
    """The name of the reason why a link that is only probable may not hold; empty when it may.

    A birth date that is alike, a home that is not, and names of which there are many: another person's.
    """
    if levels.get("birth_date") == "slip" and not _proven(levels) and not _somewhere(levels):
        return "birth-date"
    return ""


def never_certain(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether a part of the name or the birth date was not seen to agree: at best such a match is probable.

    Lisa and Beth are short forms of one name, or twins; a slip beside two charts of one partner may be, too.
    A birth date whose years are a decade or more apart may be one key wrong, or an uncle's or an elder
    cousin's. A link that is only probable gives way when it would fit two people (`cluster.partition`).
    """
    if _proven(levels):
        return False
    if _years_apart(a, b) >= SLIP_YEARS:
        return True
    if levels.get("given") == "form" and not _own(levels):
        return True
    if levels.get("given") == "similar" and levels.get("identifier") == "different" and not _own(levels):
        return True
    if levels.get("birth_date", "") == "":
        return True
    if levels.get("email") == "exact":
        return False
    return levels.get("given") == "initial" or levels.get("birth_date") in ("year", "different")


def hardly_worth_asking(levels: Mapping[str, str]) -> bool:
    """Whether a doubt is nearly always two people: other given names, and nothing that only one has."""
    return (
        levels.get("given") in ("different", "distinct")
        and not _proven(levels)
        and (levels.get("ssn") != "last4" and levels.get("email") != "exact")
    )


def _proven(levels: Mapping[str, str]) -> bool:
    return levels.get("ssn") == "exact" or levels.get("identifier") == "exact"


def _may_be_twin(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    other_sex = levels.get("sex") == "different"
    if levels.get("surname") == "swapped" and other_sex:
        return True
    same_child = bool(a.birth_order and a.birth_order == b.birth_order)
    multiple = _multiple(a, b) and not (same_child or (levels.get("given") == "form" and _own(levels)))
    return levels.get("given") != "exact" and (other_sex or multiple)


def _one_of_a_kind(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether a mailbox, a middle name or a place in birth order agrees, which twins do not share."""
    same_order = bool(a.birth_order and a.birth_order == b.birth_order)
    return same_order or levels.get("email") == "exact" or levels.get("middle") == "exact"


def _two_names_doubtful(levels: Mapping[str, str]) -> bool:
    """No place is the same, and neither is a part of the name and another part or the birth date, or both
    surnames exist; or given name and surname were exchanged, and one differs.
    """
    given, surname = levels.get("given"), levels.get("surname")
    if levels.get("birth_date") == "slip" and surname not in ("exact", "swapped"):
        return not _somewhere(levels)
    if surname == "swapped":
        return given != "exact"
    return not _somewhere(levels) and (
        surname == "alike" or (given != "exact" and surname not in ("exact", "part"))
    )


def _somewhere(levels: Mapping[str, str]) -> bool:
    """Whether a place is the same, or the whole name with its middle part."""
    return _places(levels) > 0 or (levels.get("middle") == "exact" and levels.get("surname") == "exact")


def _one_initial(levels: Mapping[str, str]) -> bool:
    """An initial, beside a surname, a birth date, a sex and a place that are the same."""
    return (
        levels.get("given") == "initial"
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and _places(levels) >= 1
    )


def _never_shared(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Without a birth date: the whole name, the sex, and what a father and a son of one name do not share.

    They share the home, its telephone, often the mailbox and the middle name.
    """
    called_alike = bool(a.generation) and a.generation == b.generation
    return (
        levels.get("given") in _SAME_NAME
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and (
            levels.get("ssn") == "last4"
            or levels.get("phone") == levels.get("email") == "exact"
            or (levels.get("middle") == "exact" and called_alike)
        )
    )


def _mistyped(levels: Mapping[str, str]) -> bool:
    """Another birth date, and everything else the same twice over, more than a home among it."""
    return (
        levels.get("given") == "exact"
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and _own(levels)
        and _places(levels) + (levels.get("middle") == "exact") >= 2
    )


def _own(levels: Mapping[str, str]) -> bool:
    """Whether something agrees that those who share a home hardly share."""
    return levels.get("ssn") == "last4" or "exact" in (levels.get("email"), levels.get("middle"))


def _places(levels: Mapping[str, str]) -> int:
    """How many of telephone, e-mail, home and the last digits of a number are the same."""
    same = (levels.get(field) == "exact" for field in ("phone", "email"))
    home = levels.get("address") in ("exact", "building")
    return sum(same) + home + (levels.get("ssn") == "last4")


def _near(a: Features, b: Features) -> bool:
    return _years_apart(a, b) <= GENERATION_YEARS


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


def _numbers_differ(a: Features, b: Features) -> bool:
    """Whether both carry a number of persons by one system, and none is the same."""
    one, other = (
        {(number.system, number.digest) for number in record.identifiers if number.kind == "person"}
        for record in (a, b)
    )
    systems = {system for system, _ in one} & {system for system, _ in other}
    return bool(systems) and not one & other


def _generations_differ(a: Features, b: Features) -> bool:
    return bool(a.generation and b.generation and a.generation != b.generation)
