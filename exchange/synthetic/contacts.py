"""How each partner wrote a person down at the front desk: the same people, with the dirt of real life."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from exchange.synthetic import names
from exchange.synthetic.person import Address, Name, Person
from exchange.synthetic.tables import rows

PLACEHOLDER_SSNS = ("999999999", "000000000", "123456789", "111111111")
FRONT_DESK_PHONE = "2175550100"

_SSN_ASKED = {
    "lakeside_hospital": 0.6,
    "prairie_clinic": 0.5,
    "harbor_recovery": 0.5,
    "willow_nursing": 0.85,
    "county_health": 0.1,
    "hearth_housing": 0.7,
    "good_table": 0.0,
}
_WRITES_CYRILLIC = {"good_table": 0.3, "county_health": 0.12, "prairie_clinic": 0.08}
_CALLS_BY_NICKNAME = {"good_table": 0.2, "hearth_housing": 0.15, "prairie_clinic": 0.12}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a registration says about who this is; an empty string where nothing was said."""

    given: str
    family: str
    middle: str
    nickname: str
    former: str
    sex: str
    birth: date | None
    ssn: str
    phone: str
    email: str
    address: Address | None


@dataclass(frozen=True, slots=True)
class Contact:
    """One registration of a person with a partner, under the partner's own key.

    `merged` is when the partner joined it with the person's first registration there;
    `renamed` when a newborn's or a changed name was entered; `amended` is what it says since then.
    """

    partner: str
    key: str
    since: date
    identity: Identity
    hazards: tuple[str, ...] = ()
    merged: date | None = None
    renamed: date | None = None
    amended: Identity | None = None

    def says(self, on: date) -> Identity:
        """The identity as it stands on a day."""
        return self.amended if self.amended and self.renamed and self.renamed <= on else self.identity


def contact(rng: Random, person: Person, partner: str, key: str, since: date) -> Contact:
    """Register `person` with `partner` on the day `since`."""
    written = _Desk(rng, person, partner, since)
    return Contact(partner, key, since, written.identity(), tuple(written.hazards))


def with_changes(rng: Random, person: Person, found: Contact, last: date) -> Contact:
    """The contact with the name entered later: a newborn's, or a new family name."""
    if person.newborn and found.identity.given.startswith("Baby"):
        if rng.random() < 0.8 or person.household < 40:
            named = replace(found.identity, given=person.name.given)
            day = min(found.since + timedelta(days=rng.randrange(2, 20)), last)
            return replace(found, renamed=day, amended=named)
    elif person.renamed and found.since < person.renamed:
        named = replace(found.identity, family=" ".join(person.name.family), former=found.identity.family)
        day = max(person.renamed, found.since) + timedelta(days=rng.randrange(5, 60))
        return replace(found, renamed=day, amended=named) if rng.random() < 0.5 else found
    return found


class _Desk:
    """Writes one person down once, and remembers which hazards it made."""

    def __init__(self, rng: Random, person: Person, partner: str, since: date) -> None:
        self.rng, self.person, self.partner, self.since = rng, person, partner, since
        self.hazards: list[str] = []

    def identity(self) -> Identity:
        name = self._spelling()
        person = self.person
        return Identity(
            given=self._given(name),
            family=self._family(name),
            middle=self._middle(),
            nickname=person.naming.nickname if self.rng.random() < 0.3 else "",
            former=" ".join(person.former) if self._knows_the_former_name() else "",
            sex=person.sex,
            birth=self._birth(),
            ssn=self._ssn(),
            phone=self._phone(),
            email=person.email if self.rng.random() < 0.5 else "",
            address=self._address(),
        )

    def _happens(self, hazard: str, chance: float) -> bool:
        if self.rng.random() >= chance:
            return False
        self.hazards.append(hazard)
        return True

    def _spelling(self) -> Name:
        person, others = self.person, self.person.naming.others
        if person.former and person.renamed and self.since < person.renamed:
            self.hazards.append("former-name")
            return replace(person.name, family=person.former)
        if others and self._happens("cyrillic", _WRITES_CYRILLIC.get(self.partner, 0)):
            return others[0]
        if others and self._happens("other-transliteration", 0.4):
            return others[1]
        return person.name

    def _given(self, name: Name) -> str:
        person = self.person
        if (
            person.newborn
            and self.partner in {"lakeside_hospital", "county_health"}
            and self._happens("baby-name", 0.75)
        ):
            baby = "Baby Girl" if person.sex == "F" else "Baby Boy"
            return f"{baby} {'AB'[person.twin - 1]}" if person.twin else baby
        if person.naming.nickname and self._happens("nickname", _CALLS_BY_NICKNAME.get(self.partner, 0.08)):
            return person.naming.nickname
        return self._typed(name.given, 0.015)

    def _family(self, name: Name) -> str:
        if len(name.family) < 2:
            return self._typed(name.family[0], 0.025)
        first, second = name.family[0], name.family[-1]
        forms = (f"{first} {second}", first, f"{first}-{second}", f"{first} {second[0]}", second)
        form = self.rng.choices(forms, (50, 27, 14, 4, 5))[0]
        if form != forms[0]:
            self.hazards.append("double-surname-cut")
        return self._typed(form, 0.02)

    def _typed(self, word: str, chance: float) -> str:
        if self._happens("typo", chance):
            return names.typing_slip(self.rng, word)
        plain = names.without_marks(word)
        return plain if word.isascii() or (plain.isascii() and self.rng.random() < 0.65) else word

    def _middle(self) -> str:
        middle = names.without_marks(self.person.naming.middle)
        return middle if self.rng.random() < 0.4 else middle[:1]

    def _knows_the_former_name(self) -> bool:
        renamed = self.person.renamed
        return bool(renamed and self.since >= renamed and self.rng.random() < 0.4)

    def _birth(self) -> date | None:
        birth, homeless = self.person.birth, bool(self.person.homeless)
        if self.partner == "good_table" and self._happens("no-birth-date", 0.06):
            return None
        if birth.day <= 12 and birth.day != birth.month and self._happens("day-month-swapped", 0.012):
            return date(birth.year, birth.day, birth.month)
        if self._happens("birth-date-slip", 0.01):
            slip = birth + timedelta(days=self.rng.choice((-1, 1, 10, -10)))
            return min(slip, self.since)
        if homeless and self._happens("first-of-january", 0.05):
            return date(birth.year, 1, 1)
        return birth

    def _ssn(self) -> str:
        asked = _SSN_ASKED[self.partner] * (0.3 if self.person.newborn else 1)
        if self.rng.random() >= asked:
            return self.rng.choice(PLACEHOLDER_SSNS) if self._happens("placeholder-ssn", 0.05) else ""
        if self.partner == "hearth_housing" and self._happens("last-four-only", 0.35):
            return f"xxxxx{self.person.ssn[-4:]}"
        if self._happens("ssn-slip", 0.01):
            at = self.rng.randrange(3, 9)
            return self.person.ssn[:at] + str((int(self.person.ssn[at]) + 1) % 10) + self.person.ssn[at + 1 :]
        return self.person.ssn

    def _phone(self) -> str:
        if self.person.homeless == "shelter" and self._happens("front-desk-phone", 0.35):
            return FRONT_DESK_PHONE
        if self.rng.random() < 0.1:
            return ""
        if self.person.phone and self._happens("old-phone", 0.06):
            return f"{self.person.phone[:6]}{self.rng.randrange(10_000):04d}"
        return self.person.phone

    def _address(self) -> Address | None:
        address = self.person.address
        if address is None:
            self.hazards.append("no-address")
            return None
        if self.person.homeless == "shelter":
            self.hazards.append("shelter-address")
            return address
        if self._happens("no-address", 0.03):
            return None
        if self._happens("old-address", 0.06):
            street = self.rng.choice(rows("streets"))["street"]
            return replace(address, street=f"{self.rng.randrange(100, 4990)} {street} St", unit="")
        return self._variant(address)

    def _variant(self, address: Address) -> Address:
        if self.rng.random() < 0.25:
            longer = {" St": " Street", " Ave": " Avenue", " Dr": " Drive", " Ln": " Lane", " Ct": " Court"}
            ending = next(short for short in longer if address.street.endswith(short))
            address = replace(address, street=address.street.removesuffix(ending) + longer[ending])
        if address.unit and self.rng.random() < 0.3:
            address = replace(address, unit=self.rng.choice(("", address.unit.replace("Apt ", "#"))))
        return address
