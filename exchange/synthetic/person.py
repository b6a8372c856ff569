"""One human being, as nobody in the coalition knows them: the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

_LANGUAGES = {"spanish": "spa", "ukrainian": "ukr", "polish": "pol", "vietnamese": "vie"}
REFERENCE_DAY = date(2026, 11, 20)

Homeless = Literal["", "shelter", "street"]


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `unit` such as "Apt 2"."""

    street: str
    unit: str
    city: str
    state: str
    zip: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name in one script and spelling; two family names where that is the custom."""

    given: str
    family: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Naming:
    """What a person is called; `others` are further spellings of the same name, Cyrillic first."""

    usual: Name
    middle: str = ""
    nickname: str = ""
    others: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """One human being, as nobody in the coalition knows them: the ground truth.

    `former` is the family name before `renamed`; `twin` the place in a multiple birth, from 1.
    """

    number: int
    household: int
    kind: str
    sex: Literal["F", "M"]
    birth: date
    naming: Naming
    heritage: str
    ssn: str
    phone: str
    email: str
    address: Address | None
    homeless: Homeless = ""
    former: tuple[str, ...] = ()
    renamed: date | None = None
    died: date | None = None
    twin: int = 0
    newborn: bool = False
    mother: str = ""
    race: tuple[str, str] = ("2106-3", "White")
    hispanic: bool = False

    @property
    def id(self) -> str:
        return f"P{self.number:07d}"

    @property
    def name(self) -> Name:
        return self.naming.usual

    def age(self, on: date) -> int:
        """Completed years on a day."""
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))


def language(person: Person) -> str:
    """ISO 639-2 code of what the person prefers to speak."""
    return _LANGUAGES.get(person.heritage, "eng")
