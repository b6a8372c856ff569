"""The people themselves: households, drawn one by one from the seed, so that any number can be streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Literal

from exchange.synthetic import names
from exchange.synthetic.person import REFERENCE_DAY, Address, Homeless, Name, Naming, Person
from exchange.synthetic.tables import Place, nicknames, places, rows

SHELTER_STREET = "400 N Shelter Way"


@dataclass(frozen=True, slots=True)
class _Home:
    number: int
    kind: str
    heritage: str
    family: tuple[str, ...]
    address: Address | None
    homeless: Homeless
    phone: str


# The first households play these parts in turn, so that even a small coalition meets every hazard.
CAST = (
    "twins", "newborn", "ukrainian", "spanish", "sheltered", "street", "senior", "renamed", "recovery",
    "twin-newborns", "died", "hiv", "minor", "family", "recovery", "spanish", "recovery", "sheltered-family",
    "senior", "ukrainian", "recovery", "single", "hiv", "recovery", "couple", "adult-twins",
    "newborn", "recovery",
)  # fmt: skip
_KINDS = {
    "single": 30, "couple": 16, "family": 18, "senior": 11, "spanish": 7, "ukrainian": 4, "sheltered": 5,
    "sheltered-family": 1, "street": 3, "twins": 1, "adult-twins": 0.4, "twin-newborns": 0.4, "newborn": 2,
    "renamed": 4, "recovery": 8, "died": 2, "hiv": 1, "minor": 3,
}  # fmt: skip
_HERITAGES = {"english": 74, "spanish": 9, "polish": 7, "yoruba": 6, "vietnamese": 4}
_WITH_CHILDREN = {"family", "twins", "spanish", "ukrainian", "sheltered-family", "minor"}
_COUPLES = {"couple", "family", "twins", "spanish", "ukrainian", "newborn", "twin-newborns"}


def people(size: int, seed: int, today: date = REFERENCE_DAY) -> Iterator[Person]:
    """`size` people, household by household; the same for the same seed and day."""
    number = 0
    for household in count():
        rng = Random(f"{seed}/household/{household}")  # noqa: S311 - reproducible on purpose
        for person in _household(rng, household, today):
            if number == size:
                return
            yield replace(person, number=number)
            number += 1


def _household(rng: Random, number: int, today: date) -> Iterator[Person]:
    home = _home(rng, number)
    years = {"senior": (68, 96), "died": (60, 94), "minor": (34, 52)}.get(home.kind, (20, 66))
    if home.kind in {"newborn", "twin-newborns", "twins", "family", "sheltered-family"}:
        years = (20, 42)
    head = _adult(rng, home, years, today)
    if home.kind in {"newborn", "twin-newborns"}:
        head = replace(head, sex="F", naming=_naming(rng, home, "F"))
    if home.kind == "adult-twins":
        head = replace(head, twin=1, died=None)
        yield replace(_twin(rng, home, head, head.sex), email="")
    yield head
    if home.kind in _COUPLES and rng.random() < 0.8:
        yield _spouse(rng, home, head, today)
    yield from _children(rng, home, head, today)


def _home(rng: Random, number: int) -> _Home:
    kind = CAST[number] if number < len(CAST) else rng.choices(list(_KINDS), list(_KINDS.values()))[0]
    heritage = kind if kind in {"spanish", "ukrainian"} else _weighted(rng, _HERITAGES)
    homeless: Homeless = "shelter" if kind.startswith("sheltered") else "street" if kind == "street" else ""
    place = rng.choices(places(), [place.weight for place in places()])[0]
    return _Home(
        number=number,
        kind=kind,
        heritage=heritage,
        family=names.family(rng, heritage),
        address=_address(rng, place, homeless),
        homeless=homeless,
        phone=_phone(rng, place),
    )


def _weighted(rng: Random, weights: dict[str, float] | dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _address(rng: Random, place: Place, homeless: Homeless) -> Address | None:
    if homeless == "shelter":
        return Address(SHELTER_STREET, "", "Springfield", "IL", "62701")
    if homeless == "street":
        return None
    street = rng.choice(rows("streets"))["street"]
    ending = rng.choice(("St", "St", "St", "Ave", "Ave", "Dr", "Ln", "Ct"))
    side = rng.choice(("", "", "N ", "S ", "E ", "W "))
    unit = f"Apt {rng.randrange(1, 40)}" if rng.random() < 0.3 else ""
    return Address(
        f"{rng.randrange(100, 4990)} {side}{street} {ending}", unit, place.city, place.state, place.zip
    )


def _phone(rng: Random, place: Place) -> str:
    area = place.area_code if rng.random() < 0.8 else rng.choice(("312", "309", "618", "773", "815", "630"))
    return f"{area}555{rng.randrange(10_000):04d}"


def _adult(rng: Random, home: _Home, years: tuple[int, int], today: date) -> Person:
    sex: Literal["F", "M"] = rng.choice(("F", "M"))
    if home.kind == "renamed":
        sex = "F"
    person = _person(rng, home, sex, _birth(rng, years, today))
    if home.kind == "renamed" or (sex == "F" and person.age(today) > 24 and rng.random() < 0.05):
        person = _renamed(rng, person, today)
    if home.kind == "died" or (person.age(today) > 80 and rng.random() < 0.2):
        person = replace(person, died=today - timedelta(days=rng.randrange(3, 300)))
    return person


def _person(rng: Random, home: _Home, sex: Literal["F", "M"], birth: date) -> Person:
    naming = _naming(rng, home, sex)
    own_phone = home.phone if rng.random() < 0.45 else f"{home.phone[:6]}{rng.randrange(10_000):04d}"
    return Person(
        number=0,
        household=home.number,
        kind=home.kind,
        sex=sex,
        birth=birth,
        heritage=home.heritage,
        ssn=_ssn(rng),
        phone="" if home.homeless and rng.random() < 0.4 else own_phone,
        email=_email(rng, naming.usual) if rng.random() < 0.5 else "",
        address=home.address,
        homeless=home.homeless,
        race=_race(rng, home.heritage),
        hispanic=home.heritage == "spanish",
        naming=naming,
    )


def _naming(rng: Random, home: _Home, sex: str) -> Naming:
    given = names.given(rng, home.heritage, sex)
    nickname = nicknames().get(given, "")
    if home.heritage == "ukrainian":
        return _ukrainian(given, home.family, nickname)
    middle = names.given(rng, home.heritage, sex) if home.heritage == "english" and rng.random() < 0.7 else ""
    return Naming(Name(given, home.family), middle, nickname)


def _ukrainian(given: str, family: tuple[str, ...], nickname: str) -> Naming:
    official = Name(names.official_latin(given), tuple(map(names.official_latin, family)))
    other = Name(names.other_latin(given), tuple(map(names.other_latin, family)))
    short = names.official_latin(nickname) if nickname else ""
    return Naming(official, "", short, (Name(given, family), other))


def _renamed(rng: Random, person: Person, today: date) -> Person:
    """Took another family name some time in the last four years."""
    new = names.family(rng, person.heritage)[:1]
    family = new + person.name.family[:1] if person.heritage == "spanish" else new
    if person.heritage == "ukrainian":
        family = tuple(map(names.official_latin, new))
    return replace(
        person,
        naming=replace(person.naming, usual=Name(person.name.given, family), others=()),
        former=person.name.family,
        renamed=today - timedelta(days=rng.randrange(30, 1400)),
    )


def _spouse(rng: Random, home: _Home, head: Person, today: date) -> Person:
    sex: Literal["F", "M"] = "M" if head.sex == "F" else "F"
    age = max(19, head.age(today) + rng.randrange(-5, 6))
    same_name = rng.random() < 0.75 and home.heritage != "spanish"
    own = home if same_name else replace(home, family=names.family(rng, home.heritage))
    return _person(rng, own, sex, _birth(rng, (age, age + 1), today))


def _children(rng: Random, home: _Home, mother: Person, today: date) -> Iterator[Person]:
    if home.kind == "newborn":
        yield _newborn(rng, home, mother, today)
    elif home.kind == "twin-newborns":
        first = replace(_newborn(rng, home, mother, today), twin=1)
        sex: Literal["F", "M"] = rng.choice(("F", "M"))
        yield first
        yield _twin(rng, home, first, sex)
    elif home.kind == "twins":
        first = replace(_child(rng, home, mother, today), twin=1)
        yield first
        yield _twin(rng, home, first, first.sex)
    elif home.kind in _WITH_CHILDREN:
        for _ in range(1 if home.kind == "minor" else rng.randrange(0, 4)):
            yield _child(rng, home, mother, today)


def _twin(rng: Random, home: _Home, first: Person, sex: Literal["F", "M"]) -> Person:
    """The other twin: everything the same but number, name and perhaps sex."""
    naming = _naming(rng, home, sex)
    while naming.usual.given == first.name.given:
        naming = _naming(rng, home, sex)
    return replace(first, sex=sex, twin=2, ssn=_ssn(rng), naming=naming)


def _child(rng: Random, home: _Home, mother: Person, today: date) -> Person:
    oldest = max(1, min(17, mother.age(today) - 17))
    years = (13, 17) if home.kind == "minor" else (0, oldest)
    child = _person(rng, home, rng.choice(("F", "M")), _birth(rng, years, today))
    return replace(child, email="", mother=mother.name.family[0])


def _newborn(rng: Random, home: _Home, mother: Person, today: date) -> Person:
    birth = today - timedelta(days=rng.randrange(4, 60))
    child = _person(rng, home, rng.choice(("F", "M")), birth)
    return replace(child, newborn=True, email="", mother=mother.name.family[0])


def _birth(rng: Random, years: tuple[int, int], today: date) -> date:
    youngest, oldest = years[0] * 365.25 + 90, max(years[0] + 1, years[1]) * 365.25
    return today - timedelta(days=rng.randrange(int(youngest), int(max(youngest + 1, oldest))))


def _ssn(rng: Random) -> str:
    # Area numbers from 900 were never issued: nobody's number can be hit.
    return f"{rng.randrange(900, 999)}{rng.randrange(1, 100):02d}{rng.randrange(1, 10_000):04d}"


def _email(rng: Random, name: Name) -> str:
    local = f"{name.given}.{name.family[0]}".lower().replace("'", "")
    return f"{names.without_marks(local)}{rng.randrange(1, 99)}@mail.example"


def _race(rng: Random, heritage: str) -> tuple[str, str]:
    if heritage == "vietnamese":
        return ("2028-9", "Asian")
    if heritage == "yoruba":
        return ("2054-5", "Black or African American")
    if heritage == "spanish":
        return rng.choice((("2131-1", "Other Race"), ("2106-3", "White")))
    return ("2054-5", "Black or African American") if rng.random() < 0.2 else ("2106-3", "White")
