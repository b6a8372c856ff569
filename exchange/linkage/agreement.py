"""How far two records agree, field by field, in levels that a model gives weights to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product

from rapidfuzz.distance import OSA, JaroWinkler

from exchange.linkage.features import Features, Name
from exchange.linkage.names import sound, surname_sound
from exchange.linkage.values import Address
from exchange.linkage.vocabulary import Vocabulary

LEVELS: dict[str, tuple[str, ...]] = {
    "given": ("exact", "form", "similar", "alike", "part", "initial", "different", "distinct"),
    "middle": ("exact", "initial", "different", "distinct"),
    "surname": ("exact", "part", "similar", "alike", "swapped", "different"),
    "birth_date": ("exact", "slip", "year", "different"),
    "sex": ("exact", "different"),
    "ssn": ("exact", "last4", "different"),
    "identifier": ("exact", "different"),
    "phone": ("exact", "different"),
    "email": ("exact", "different"),
    "address": ("exact", "building", "area", "different"),
}
"""Best first; a field that either record leaves empty has no level and no weight."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`levels` by field; `terms` are the values that agreed exactly, for their frequency."""

    levels: dict[str, str]
    terms: dict[str, str]


@dataclass(frozen=True, slots=True)
class Known:
    """Given names common enough that one is never a slip of another; the vocabulary knows the rarer ones."""

    given: frozenset[str]
    vocabulary: Vocabulary

    def is_given_name(self, word: str) -> bool:
        return word in self.given or word in self.vocabulary.forms

    def both_exist(self, x: str, y: str) -> bool:
        """Whether each is a given name somebody bears, so that neither need be a slip of the other."""
        return self._exists(x) and self._exists(y)

    def one_exists(self, x: str, y: str) -> bool:
        """Whether one of them is a name and the other is none that anybody is known to bear."""
        return self._exists(x) != self._exists(y)

    def _exists(self, word: str) -> bool:
        return self.is_given_name(word) or word in self.vocabulary.existing_given


def agree(a: Features, b: Features, known: Known) -> Agreement:
    """Symmetric: the order of the two records changes nothing."""
    levels, terms = _names(a, b, known)
    found = {
        "birth_date": birth_date_level(a.birth_date, b.birth_date),
        "sex": _same_or_not({a.sex} - {""}, {b.sex} - {""}),
        "ssn": _ssn(a, b),
        "identifier": _identifier(a, b),
        "phone": _same_or_not(set(a.phones), set(b.phones)),
        "email": _same_or_not(set(a.emails), set(b.emails)),
        "address": _address(a.addresses, b.addresses),
    }
    return Agreement({**levels, **{field: level for field, level in found.items() if level}}, terms)


def _same_or_not(a: set[str], b: set[str]) -> str:
    if not a or not b:
        return ""
    return "exact" if a & b else "different"


def _names(a: Features, b: Features, known: Known) -> tuple[dict[str, str], dict[str, str]]:
    candidates = [_name_pair(x, y, known) for x, y in product(a.names, b.names)]
    return min(candidates, key=_distance, default=({}, {}))


def _distance(candidate: tuple[dict[str, str], dict[str, str]]) -> tuple[int, str]:
    levels, terms = candidate
    ranks = sum(LEVELS[field].index(level) for field, level in levels.items())
    return ranks - 10 * len(levels), repr(sorted(terms.items()))


def _name_pair(a: Name, b: Name, known: Known) -> tuple[dict[str, str], dict[str, str]]:
    given, surname = given_level(a.given, b.given, known), _surname(a.surname, b.surname, known)
    swapped = {_swapped(a, b, known), _swapped(b, a, known)} - {""} if surname == "different" else set()
    if swapped:
        return {"given": min(swapped), "surname": "swapped"}, {}
    if given == "exact" and surname == "different" and _both_swapped(a, b, known):
        given, surname = "distinct", "exact"
    levels = {"given": given, "surname": surname, "middle": _middle(a.given, b.given, known)}
    terms = {}
    if given == "exact":
        terms["given"] = min(a.given[0], b.given[0])
    if surname == "exact":
        terms["surname"] = min(" ".join(a.surname), " ".join(b.surname))
    if surname == "part":
        terms["surname"] = min(set(a.surname) & set(b.surname))
    return {field: level for field, level in levels.items() if level}, terms


def _swapped(a: Name, b: Name, known: Known) -> str:
    """The level of the given names if `b` has given name and surname in each other's place, else nothing.

    A surname that is another given name (Lara, Laura) is no slip of it.
    """
    given, surname = (
        given_level(a.given, b.surname, known),
        _surname(a.surname, b.given[: len(a.surname)], known),
    )
    if given not in ("exact", "form", "similar") or surname not in ("exact", "similar"):
        return ""
    other_name = given_level(a.surname, b.given, known) in ("alike", "distinct")
    return "" if other_name else given


def _both_swapped(a: Name, b: Name, known: Known) -> bool:
    """Twins whose names were both written the wrong way round: one odd given name, two usual surnames."""
    odd = not known.is_given_name(a.given[0]) and not known.is_given_name(b.given[0])
    return odd and all(map(known.is_given_name, (*a.surname, *b.surname)))


def given_level(a: tuple[str, ...], b: tuple[str, ...], known: Known) -> str:
    """`distinct`: two common names, however alike; `alike`: two names that both exist and differ by a slip;
    `different` may still be an odd form of one."""
    if not a or not b:
        return ""
    x, y = a[0], b[0]
    if x == y or "".join(a) == "".join(b):
        return "exact" if len(x) > 1 or len(y) > 1 else "initial"
    if 1 in (len(x), len(y)):
        return "initial" if x[0] == y[0] else "distinct"
    if _forms_of_one_name(x, y, known.vocabulary):
        return "form"
    distinct = known.is_given_name(x) and known.is_given_name(y)
    if not distinct and (_slip(x, y) or surname_sound(x) == surname_sound(y)):
        return "alike" if known.both_exist(x, y) else "similar"
    if known.one_exists(x, y) and _scrambled(x, y):
        return "similar"
    if _longer(set(a)) & _longer(set(b)):
        return "part"
    return "distinct" if distinct else "different"


def _longer(words: set[str]) -> set[str]:
    return {word for word in words if len(word) > 2}


def _forms_of_one_name(x: str, y: str, vocabulary: Vocabulary) -> bool:
    x_sound, y_sound = sound(x), sound(y)
    return x_sound == y_sound or bool(_groups(x, x_sound, vocabulary) & _groups(y, y_sound, vocabulary))


def _groups(word: str, word_sound: str, vocabulary: Vocabulary) -> frozenset[int]:
    return vocabulary.forms.get(word) or vocabulary.forms.get(f"~{word_sound}") or frozenset()


def _slip(x: str, y: str) -> bool:
    allowed = 1 if min(len(x), len(y)) < 8 else 2
    if min(len(x), len(y)) < 3:
        return False
    return OSA.distance(x, y, score_cutoff=allowed) <= allowed or (
        min(len(x), len(y)) >= 4 and (x.startswith(y) or y.startswith(x))
    )


def _scrambled(x: str, y: str) -> bool:
    """Whether the two are of the same letters but for one, in another order: "etnah" for Ethan."""
    if min(len(x), len(y)) < 4 or abs(len(x) - len(y)) > 1:
        return False
    here, there = Counter(x), Counter(y)
    return (here - there).total() <= 1 and (there - here).total() <= 1


def _middle(a: tuple[str, ...], b: tuple[str, ...], known: Known) -> str:
    if len(a) < 2 or len(b) < 2:
        return ""
    x, y = a[1], b[1]
    if x == y:
        return "exact" if len(x) > 1 else "initial"
    if 1 in (len(x), len(y)):
        return "initial" if x[0] == y[0] else "different"
    if sound(x) == sound(y) or _slip(x, y) or _forms_of_one_name(x, y, known.vocabulary):
        return "exact"
    return "distinct" if known.both_exist(x, y) else "different"


def _surname(a: tuple[str, ...], b: tuple[str, ...], known: Known) -> str:
    """`alike`: two surnames that both exist and differ by a slip, as Morris and Morrison do."""
    if not a or not b:
        return ""
    if a == b or "".join(a) == "".join(b):
        return "exact"
    if set(a) & set(b):
        return "part"
    alike = [(x, y) for x, y in product(a, b) if _alike(x, y)]
    if not alike:
        return "different"
    exist = known.vocabulary.existing_surname
    slips = any(surname_sound(x) == surname_sound(y) or x not in exist or y not in exist for x, y in alike)
    return "similar" if slips else "alike"


def _alike(x: str, y: str) -> bool:
    return surname_sound(x) == surname_sound(y) or _slip(x, y) or JaroWinkler.similarity(x, y) >= 0.93


def birth_date_level(a: str, b: str) -> str:
    """`slip`: one key wrong, digits or month and day exchanged, a day off; `year`: one is an estimate.

    >>> birth_date_level("1980-03-12", "1980-12-03"), birth_date_level("1980-03-12", "1981-04-12")
    ('slip', 'different')
    """
    if not a or not b:
        return ""
    if _estimated(a) or _estimated(b):
        return "year" if a[:4] == b[:4] else "different"
    if a == b:
        return "exact"
    swapped = a[:4] == b[:4] and a[5:7] == b[8:] and a[8:] == b[5:7]
    slip = OSA.distance(a.replace("-", ""), b.replace("-", ""), score_cutoff=1) <= 1
    next_day = abs((date.fromisoformat(a) - date.fromisoformat(b)).days) == 1
    return "slip" if swapped or slip or next_day else "different"


def _estimated(text: str) -> bool:
    return len(text) < 10 or text.endswith("-01-01")


def _ssn(a: Features, b: Features) -> str:
    if not a.ssn_last4 or not b.ssn_last4:
        return ""
    if a.ssn and b.ssn:
        return "exact" if a.ssn == b.ssn else "different"
    return "last4" if a.ssn_last4 == b.ssn_last4 else "different"


def _identifier(a: Features, b: Features) -> str:
    if shared_identifiers(a, b):
        return "exact"
    systems = {identifier.system for identifier in a.identifiers}
    return "different" if any(other.system in systems for other in b.identifiers) else ""


def shared_identifiers(a: Features, b: Features) -> frozenset[str]:
    """Kinds (`record`, `person`) of the numbers that both carry."""
    return frozenset(identifier.kind for identifier in set(a.identifiers) & set(b.identifiers))


def _address(a: tuple[Address, ...], b: tuple[Address, ...]) -> str:
    found = {level for level in _address_levels(a, b) if level}
    return next((level for level in LEVELS["address"] if level in found), "")


def _address_levels(a: tuple[Address, ...], b: tuple[Address, ...]) -> Iterator[str]:
    for x, y in product(a, b):
        same_area = x.postal_code == y.postal_code or not x.postal_code or not y.postal_code
        if x.building and x.building == y.building and same_area:
            yield "exact" if x.unit == y.unit else "building"
        elif x.postal_code and y.postal_code:
            yield "area" if x.postal_code == y.postal_code else "different"
