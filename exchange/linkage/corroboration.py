"""What agrees between two records, in the words of who shares what: twins, a household, father and son."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.linkage.features import Features

GENERATION_YEARS = 12
"""Two birth years further apart than this are two people (a newborn and its mother), not a slip."""

FEW_YEARS = 3
"""Two births no further apart than this are of no two generations, whoever they are."""

SAME_NAME = frozenset({"exact", "form"})
LIKE_BIRTH = frozenset({"exact", "slip"})
LIKE_NAME = frozenset({"exact", "form", "similar"})
LIKE_SURNAME = frozenset({"exact", "part", "similar"})


def same_number(levels: Mapping[str, str]) -> bool:
    return levels.get("ssn") == "exact" or levels.get("identifier") == "exact"


def may_be_twin(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    other_sex = levels.get("sex") == "different"
    if levels.get("surname") == "swapped" and other_sex:
        return True
    same_child = bool(a.birth_order and a.birth_order == b.birth_order)
    multiple = _multiple(a, b) and not (same_child or (levels.get("given") == "form" and own_agrees(levels)))
    return levels.get("given") != "exact" and (other_sex or multiple)


def one_of_a_kind(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether a mailbox, a middle name or a place in birth order agrees, which twins do not share."""
    same_order = bool(a.birth_order and a.birth_order == b.birth_order)
    return same_order or levels.get("email") == "exact" or levels.get("middle") == "exact"


def two_names_doubtful(levels: Mapping[str, str]) -> bool:
    """No place is the same, and neither is a part of the name and another part or the birth date, or both
    surnames exist; or given name and surname were exchanged, and one differs.
    """
    given, surname = levels.get("given"), levels.get("surname")
    if levels.get("birth_date") == "slip" and surname not in ("exact", "swapped"):
        return not same_somewhere(levels)
    if surname == "swapped":
        return given != "exact"
    return not same_somewhere(levels) and (
        surname == "alike" or (given != "exact" and surname not in ("exact", "part"))
    )


def same_somewhere(levels: Mapping[str, str]) -> bool:
    """Whether a place is the same, or the whole name with its middle part."""
    return _places(levels) > 0 or (levels.get("middle") == "exact" and levels.get("surname") == "exact")


def name_and_birth(levels: Mapping[str, str]) -> bool:
    """The whole name and the birth date: a number that contradicts them is more likely a slip."""
    return (
        levels.get("given") == levels.get("birth_date") == "exact"
        and (levels.get("surname") == "exact" or same_home(levels))
        and levels.get("sex") != "different"
    )


def number_and_birth(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Another given name that is no name anybody bears, beside the number, the birth date and the surname or
    the home of one person: hardly a twin, who would have a name.
    """
    return (
        levels.get("given") == "different"
        and same_number(levels)
        and levels.get("birth_date") == "exact"
        and levels.get("sex") != "different"
        and (levels.get("surname") in LIKE_SURNAME or _places(levels) > 0)
        and not (_multiple(a, b) and a.birth_order != b.birth_order)
    )


def one_initial(levels: Mapping[str, str]) -> bool:
    """An initial, beside a surname, a birth date, a sex and a place that are the same."""
    return (
        levels.get("given") == "initial"
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and _places(levels) >= 1
    )


def middle_contradicts(levels: Mapping[str, str], otherwise_told: bool) -> bool:
    """Father and son of one name and one number differ in this alone, where a birth date is not known."""
    middle = levels.get("middle")
    if middle == "distinct":
        return True
    return middle == "different" and not (otherwise_told and levels.get("birth_date") in LIKE_BIRTH)


def contradicts(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether a middle name or a number speaks against what else agrees."""
    other_number = levels.get("ssn") == "different" or numbers_differ(a, b, levels)
    return levels.get("middle") == "different" or (other_number and not same_home(levels))


def form_at_home(levels: Mapping[str, str]) -> bool:
    """A form of the name and a slip in the birth date, with the surname, the sex and two places the same."""
    return (
        levels.get("given") == "form"
        and levels.get("surname") == "exact"
        and levels.get("sex") == "exact"
        and _places(levels) >= 2
    )


def one_estimate(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """The whole name, the sex and the year, where one birth date is an estimate and nothing contradicts."""
    return (
        a.birth_date != b.birth_date
        and levels.get("given") == "exact"
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and not any(level in ("different", "distinct") for level in levels.values())
    )


def never_shared(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Without a birth date: the whole name, the sex, and what a father and a son of one name do not share.

    They share the home, its telephone, often the mailbox and the middle name.
    """
    called_alike = bool(a.generation) and a.generation == b.generation
    return (
        levels.get("given") in SAME_NAME
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and (
            levels.get("ssn") == "last4"
            or levels.get("phone") == levels.get("email") == "exact"
            or (levels.get("middle") == "exact" and called_alike)
        )
    )


def all_but_birth(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """The whole name, the sex, and two places or one that no other speaks against, while one of the two
    birth dates is known.
    """
    return (
        bool(a.birth_date or b.birth_date)
        and a.generation == b.generation
        and levels.get("given") in SAME_NAME
        and levels.get("surname") in LIKE_SURNAME
        and levels.get("sex") == "exact"
        and levels.get("middle") not in ("different", "distinct")
        and levels.get("identifier") != "different"
        and (_places(levels) >= 2 or _one_place(levels))
    )


def _one_place(levels: Mapping[str, str]) -> bool:
    """A telephone, a mailbox or the very home, and none of them that differs."""
    places = [levels.get(field) for field in ("phone", "email", "address")]
    return "exact" in places and "different" not in places


def all_but_given(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """The surname, the birth date, the sex and a place, where one given name is not told.

    Not where one partner has two charts: it gives each of two twins its own.
    """
    return (
        "given" not in levels
        and levels.get("birth_date") == "exact"
        and levels.get("surname") in LIKE_SURNAME
        and (levels.get("sex") == "exact" or ("sex" not in levels and levels.get("email") == "exact"))
        and levels.get("identifier") != "different"
        and _places(levels) >= 1
        and not may_be_twin(a, b, levels)
    )


def two_newborns(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Two charts of one partner, neither with a given name, born on one day: twins before they are named."""
    unnamed = not any(name.given for record in (a, b) for name in record.names)
    return unnamed and levels.get("birth_date") == "exact" and levels.get("identifier") == "different"


def lives_elsewhere(levels: Mapping[str, str]) -> bool:
    """Another home and another telephone, and nothing of one's own: moved, or a namesake born on that day."""
    return (
        levels.get("address") == levels.get("phone") == "different"
        and not own_agrees(levels)
        and not same_number(levels)
    )


def only_alike(levels: Mapping[str, str]) -> bool:
    """A form of the given name; or a part of the name that is only alike, and a telephone, mailbox or home
    that differs.
    """
    if levels.get("given") == "form":
        return True
    contacts = (levels.get(field) for field in ("phone", "email", "address"))
    return "similar" in (levels.get("given"), levels.get("surname")) and "different" in contacts


def mistyped(levels: Mapping[str, str]) -> bool:
    """Another birth date, and everything else the same twice over, more than a home among it."""
    return (
        levels.get("given") == "exact"
        and levels.get("surname") in ("exact", "part")
        and levels.get("sex") == "exact"
        and own_agrees(levels)
        and _places(levels) + (levels.get("middle") == "exact") >= 2
    )


def born_about_then(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """A mistyped birth date; or the whole name and the mailbox of two who are no father and son, who are not
    born within a few years. Nothing else may differ: namesakes have another home or telephone.
    """
    if mistyped(levels):
        return True
    told = (level for field, level in levels.items() if field != "birth_date")
    return (
        levels.get("given") == levels.get("email") == "exact"
        and levels.get("surname") in ("exact", "part", "similar", "swapped")
        and years_apart(a, b) <= FEW_YEARS
        and not any(level in ("different", "distinct") for level in told)
    )


def own_agrees(levels: Mapping[str, str]) -> bool:
    """Whether something agrees that those who share a home hardly share."""
    return levels.get("ssn") == "last4" or "exact" in (levels.get("email"), levels.get("middle"))


def _places(levels: Mapping[str, str]) -> int:
    """How many of telephone, e-mail, home and the last digits of a number are the same."""
    same = (levels.get(field) == "exact" for field in ("phone", "email"))
    home = levels.get("address") in ("exact", "building")
    return sum(same) + home + (levels.get("ssn") == "last4")


def near_in_age(a: Features, b: Features) -> bool:
    return years_apart(a, b) <= GENERATION_YEARS


def same_home(levels: Mapping[str, str]) -> bool:
    if levels.get("surname") not in LIKE_SURNAME:
        return False
    contacts = levels.get("phone"), levels.get("email"), levels.get("address")
    return "exact" in contacts or levels.get("address") == "building"


def birth_orders_differ(a: Features, b: Features) -> bool:
    return bool(a.birth_order and b.birth_order and a.birth_order != b.birth_order)


def born_after_death(a: Features, b: Features) -> bool:
    return bool(a.birth_date and b.death_date and a.birth_date > b.death_date)


def years_apart(a: Features, b: Features) -> int:
    if not a.birth_date or not b.birth_date:
        return 0
    return abs(int(a.birth_date[:4]) - int(b.birth_date[:4]))


def _multiple(a: Features, b: Features) -> bool:
    return a.multiple_birth or b.multiple_birth


def numbers_differ(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether both carry a number of persons by one system, and none is the same."""
    if levels.get("identifier") != "different":
        return False
    one, other = (
        {number.system for number in record.identifiers if number.kind == "person"} for record in (a, b)
    )
    return bool(one & other)


def generations_differ(a: Features, b: Features) -> bool:
    return bool(a.generation and b.generation and a.generation != b.generation)
