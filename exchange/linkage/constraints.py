"""What no probability may overrule: who is certainly not the same person, and who needs a steward's eye."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.linkage.corroboration import (
    GENERATION_YEARS,
    LIKE_BIRTH,
    LIKE_NAME,
    SAME_NAME,
    all_but_birth,
    all_but_given,
    birth_orders_differ,
    born_about_then,
    born_after_death,
    contradicts,
    form_at_home,
    generations_differ,
    lives_elsewhere,
    may_be_twin,
    middle_contradicts,
    mistyped,
    name_and_birth,
    near_in_age,
    never_shared,
    number_and_birth,
    numbers_differ,
    one_estimate,
    one_initial,
    one_of_a_kind,
    only_alike,
    own_agrees,
    same_home,
    same_number,
    same_somewhere,
    two_names_doubtful,
    two_newborns,
    years_apart,
)
from exchange.linkage.features import Features

SLIP_YEARS = 10
"""Birth years this far apart differ by one key, and in a family that hands its names on by a person."""

SURE = 0.9999
"""From here on a name and a birth date are hardly another person's; a certain link takes a proof besides."""

_BESIDE_NAME_AND_BIRTH = ("middle", "phone", "email", "address", "ssn", "identifier")
_SAME = frozenset({"exact", "initial", "building", "last4"})


def apart(a: Features, b: Features, levels: Mapping[str, str]) -> str:
    """The name of the constraint that makes two people of the two records; empty when none does."""
    if birth_orders_differ(a, b) and levels.get("birth_date") in LIKE_BIRTH:
        return "birth-order"
    if born_after_death(a, b) or born_after_death(b, a):
        return "impossible-dates"
    if levels.get("ssn") in ("exact", "last4") or levels.get("identifier") == "exact":
        return ""
    if years_apart(a, b) > GENERATION_YEARS:
        return "generations"
    if two_newborns(a, b, levels):
        return "two-newborns"
    given = levels.get("given")
    if given == "distinct" or (given == "different" and levels.get("sex") == "different"):
        return "given-name"
    unlike_birth = levels.get("birth_date") == "different"
    if levels.get("ssn") == "different" and (unlike_birth or given not in LIKE_NAME):
        return "ssn"
    if unlike_birth and given == "different":
        return "name-and-birth-date"
    return ""


def needs_steward(a: Features, b: Features, levels: Mapping[str, str]) -> str:
    """The name of the reason why the model alone may not link the two; empty when it may."""
    given, birth, ssn = levels.get("given", ""), levels.get("birth_date", ""), levels.get("ssn", "")
    proven, twice = same_number(levels), name_and_birth(levels)
    if not near_in_age(a, b):
        return "generations"
    if given in ("different", "distinct") and not number_and_birth(a, b, levels):
        return "given-name"
    if given in ("", "initial", "part") and not (birth == "exact" and (proven or one_initial(levels))):
        return "given-name-unknown"
    if given == "alike" and not one_of_a_kind(a, b, levels):
        return "twin"
    if not proven and may_be_twin(a, b, levels):
        return "twin"
    if middle_contradicts(levels, proven or twice):
        return "middle-name"
    if given != "exact" and birth == "slip" and not (proven or form_at_home(levels)):
        return "name-and-birth-date"
    if not proven and two_names_doubtful(levels):
        return "names"
    if birth == "different" and not (given in SAME_NAME if proven else born_about_then(a, b, levels)):
        return "birth-date"
    if birth == "year" and not (proven or same_somewhere(levels) or one_estimate(a, b, levels)):
        return "birth-date"
    if birth == "" and not (proven or never_shared(a, b, levels)):
        return "birth-date-unknown"
    if not twice:
        if ssn == "different":
            return "ssn"
        if not proven and numbers_differ(a, b, levels):
            return "number"
    if generations_differ(a, b):
        return "generation"
    return ""


def unless_another(a: Features, b: Features, levels: Mapping[str, str], rule: str) -> bool:
    """Whether the only doubt is that another of the same home may be meant: the father, the son or a twin.

    Where an index knows nobody else who fits, the two are probably one person (`cluster.partition`).
    """
    if levels.get("ssn") == "different" or numbers_differ(a, b, levels):
        return False
    if rule == "birth-date-unknown":
        return all_but_birth(a, b, levels)
    return rule == "given-name-unknown" and all_but_given(a, b, levels)


def who_may_be_another(a: Features, b: Features, rule: str) -> str:
    """`a`, `b` or `both`: whose birth date or given name is not told."""
    unclear = [_is_unclear(record, rule) for record in (a, b)]
    return "both" if all(unclear) or not any(unclear) else "a" if unclear[0] else "b"


def _is_unclear(record: Features, rule: str) -> bool:
    if rule == "birth-date-unknown":
        return not record.birth_date
    return not any(name.given for name in record.names)


def needs_certainty(a: Features, b: Features, levels: Mapping[str, str]) -> str:
    """The name of the reason why a link that is only as probable may not hold; empty when it may.

    A birth date that is alike or estimated, or a name that is, a home that is not the same, and names of
    which there are many: another person's. Numbers that contradict each other, or another home with another
    telephone, beside a name and a birth date: too.
    """
    if same_number(levels):
        return ""
    birth, somewhere = levels.get("birth_date"), same_somewhere(levels)
    if not somewhere and birth in ("slip", "year"):
        return "birth-date"
    if not somewhere and only_alike(levels):
        return "names"
    if not same_home(levels) and (levels.get("ssn") == "different" or numbers_differ(a, b, levels)):
        return "number"
    if lives_elsewhere(levels):
        return "elsewhere"
    return ""


def never_certain(a: Features, b: Features, levels: Mapping[str, str]) -> bool:
    """Whether a part of the name or the birth date was not seen to agree: at best such a match is probable.

    Lisa and Beth are short forms of one name, or twins; a slip beside two charts of one partner may be, too.
    A birth date whose years are a decade or more apart may be one key wrong, or an uncle's or an elder
    cousin's. A link that is only probable gives way when it would fit two people (`cluster.partition`).
    """
    given, birth = levels.get("given", ""), levels.get("birth_date", "")
    if given in ("different", "distinct"):
        return True
    if same_number(levels):
        return False
    if years_apart(a, b) >= SLIP_YEARS or (birth == "different" and not mistyped(levels)):
        return True
    if given == "form" and not (own_agrees(levels) and birth == "exact"):
        return True
    if given == "similar" and levels.get("identifier") == "different" and not own_agrees(levels):
        return True
    if not given or not birth or contradicts(a, b, levels) or lives_elsewhere(levels):
        return True
    if levels.get("email") == "exact":
        return False
    return given == "initial" or birth in ("year", "different")


def hardly_worth_asking(levels: Mapping[str, str]) -> bool:
    """Whether a doubt is nearly always two people: another given name, or other birth dates and homes.

    And nothing agrees that only one of a household has. Without a given name the other sex is a twin.
    """
    if same_number(levels) or levels.get("ssn") == "last4":
        return False
    reached = levels.get("phone"), levels.get("address")
    unlike_birth = levels.get("birth_date") == "different" and levels.get("middle") != "exact"
    if unlike_birth and reached == ("different", "different"):
        return True
    if levels.get("email") == "exact":
        return False
    if levels.get("given") in ("different", "distinct"):
        return True
    if "given" not in levels and levels.get("sex") == "different":
        return True
    return unlike_birth and "different" in reached


def nothing_to_decide_by(levels: Mapping[str, str], rule: str) -> bool:
    """Whether a steward would see no more than names and birth dates, and these leave the doubt.

    Where `rule` limits what the model is sure of, a whole name with the birth date is more; else an initial
    is no more.
    """
    same = _SAME if rule else _SAME - {"initial"}
    if any(levels.get(field) in same for field in _BESIDE_NAME_AND_BIRTH):
        return False
    return not (rule and "given" in levels and levels.get("birth_date") == "exact")
