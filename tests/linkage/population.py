"""A small town with dirt in its records and the truth beside it: households, twins, newborns, shelters.

Independent of the coalition of `exchange.synthetic`, so that the model is also measured on people that
it was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any

from faker.providers.person.en_US import Provider as American
from faker.providers.person.es_MX import Provider as Mexican
from faker.providers.person.uk_UA import Provider as Ukrainian

SYSTEMS = ("https://hospital.example/mrn", "https://clinic.example/mrn", "https://housing.example/client")
_MEDICAID = {"type": {"coding": [{"code": "MA"}]}, "system": "https://medicaid.example/"}
_SHORT = {"william": "Bill", "robert": "Bob", "elizabeth": "Liz", "margaret": "Peggy", "james": "Jim"}
_STREETS = ("Oak", "Maple", "Washington", "Lake", "Hill", "Park", "Elm", "Cedar", "Pine", "Walnut")


@dataclass(frozen=True)
class Person:
    number: int
    given: str
    middle: str
    surname: str
    sex: str
    born: date
    ssn: str
    phone: str
    line: str
    postal_code: str
    birth_order: int = 0


def town(households: int, seed: int) -> list[Person]:
    random = Random(seed)
    people: list[Person] = []
    for _ in range(households):
        people.extend(_household(random, len(people)))
    return people


def _household(random: Random, number: int) -> Iterator[Person]:
    surname, given_names = _culture(random)
    line = f"{random.randint(1, 9999)} {random.choice(_STREETS)} {random.choice(['St', 'Ave'])}"
    place = (f"312{random.randint(2000000, 9999999)}", line, f"606{random.randint(10, 99)}")
    oldest = random.randint(20, 80)
    taken: set[str] = set()
    member, head = 0, ""
    for generation in (0, 0, 1, 1, 1)[: random.choice((1, 1, 2, 2, 3, 4, 5))]:
        born = date(2026, 11, 1) - timedelta(
            days=365 * max(0, oldest - 27 * generation) + random.randint(0, 3000)
        )
        twins = random.random() < 0.08
        for order in (1, 2) if twins else (0,):
            sex = random.choice(("male", "female"))
            given = random.choice([name for name in given_names[sex] if name not in taken])
            if generation and not twins and random.random() < 0.05:
                given = head
            head = head or given
            taken.add(given)
            yield Person(
                number + member,
                given,
                random.choice(given_names[sex]),
                surname,
                sex,
                born,
                _ssn(random),
                *place,
                birth_order=order,
            )
            member += 1


def _culture(random: Random) -> tuple[str, dict[str, list[str]]]:
    draw = random.random()
    if draw < 0.12:
        surnames = random.choices(list(Mexican.last_names), k=2)
        return " ".join(surnames), {
            "male": list(Mexican.first_names_male),
            "female": list(Mexican.first_names_female),
        }
    if draw < 0.18:
        return random.choice(list(Ukrainian.last_names)), {
            "male": list(Ukrainian.first_names_male),
            "female": list(Ukrainian.first_names_female),
        }
    surname = random.choices(list(American.last_names), weights=list(American.last_names.values()))[0]
    return surname, {
        "male": random.choices(
            list(American.first_names_male), weights=list(American.first_names_male.values()), k=30
        ),
        "female": random.choices(
            list(American.first_names_female), weights=list(American.first_names_female.values()), k=30
        ),
    }


def _ssn(random: Random) -> str:
    return f"{random.randint(100, 665)}-{random.randint(1, 99):02}-{random.randint(1, 9999):04}"


def records(people: list[Person], seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the person, Patient) for each time a person was registered, 2.4 times on average."""
    random = Random(seed)
    for person in people:
        for visit in range(random.choice((1, 1, 2, 2, 3, 5))):
            yield person.number, register(random, person, visit)


def register(random: Random, person: Person, visit: int) -> dict[str, Any]:
    """A Patient as one desk wrote it down."""
    written = _with_dirt(random, person)
    patient: dict[str, Any] = {"resourceType": "Patient"}
    given = [written.given] + ([written.middle] if random.random() < 0.4 else [])
    if random.random() < 0.1 and len(given) > 1:
        given[1] = given[1][0]
    patient["name"] = [{"family": written.surname, "given": given}]
    if random.random() < 0.97:
        patient["birthDate"] = written.born.isoformat()
    if random.random() < 0.95:
        wrong = {"male": "female", "female": "male"}[written.sex]
        patient["gender"] = wrong if random.random() < 0.005 else written.sex
    if random.random() < 0.5 and person.birth_order:
        patient["multipleBirthInteger"] = person.birth_order
    if random.random() < 0.8:
        patient["telecom"] = [{"system": "phone", "value": written.phone}]
    if random.random() < 0.3:
        patient.setdefault("telecom", []).append({"system": "email", "value": _email(random, person)})
    if random.random() < 0.85:
        unit = f", Apt {person.number % 9}" if random.random() < 0.6 and person.number % 3 == 0 else ""
        patient["address"] = [{"line": [written.line + unit], "postalCode": written.postal_code}]
    system = SYSTEMS[visit % len(SYSTEMS)]
    patient["identifier"] = [{"system": system, "value": f"{person.number}-{visit}"}]
    if random.random() < 0.5:
        shown = written.ssn if random.random() < 0.7 else f"xxx-xx-{written.ssn[-4:]}"
        shown = "999-99-9999" if random.random() < 0.05 else shown
        patient["identifier"].append({"system": "http://hl7.org/fhir/sid/us-ssn", "value": shown})
    if random.random() < 0.2:
        patient["identifier"].append({**_MEDICAID, "value": f"M{person.number:06}"})
    return patient


def _email(random: Random, person: Person) -> str:
    mailbox = person.number if random.random() < 0.9 else random.randint(0, 10**6)
    return f"box{mailbox}@mail.example"


def _with_dirt(random: Random, person: Person) -> Person:
    draw = random.random
    if draw() < 0.06:
        person = replace(person, given=_SHORT.get(person.given.lower(), _typo(random, person.given)))
    if draw() < 0.01:
        person = replace(person, given=person.given[0])
    if draw() < 0.05:
        person = replace(person, surname=_typo(random, person.surname))
    if draw() < 0.25 and " " in person.surname:
        person = replace(person, surname=person.surname.split()[0])
    if draw() < 0.03 and person.sex == "female":
        person = replace(person, surname=random.choice(list(American.last_names)))
    if draw() < 0.02:
        person = replace(person, given=person.surname, surname=person.given)
    if draw() < 0.03:
        person = replace(person, born=_slip(random, person.born))
    if draw() < 0.25:
        person = replace(person, phone=f"773{random.randint(2000000, 9999999)}")
    if draw() < 0.2:
        line = f"{random.randint(1, 9999)} {random.choice(_STREETS)} Rd"
        person = replace(person, line=line, postal_code=f"606{random.randint(10, 99)}")
    if draw() < 0.03:
        person = replace(person, ssn=_ssn(random))
    return person


def _typo(random: Random, word: str) -> str:
    place = random.randrange(max(1, len(word) - 1))
    kind = random.choice(("drop", "swap", "double", "wrong"))
    if kind == "drop" and len(word) > 3:
        return word[:place] + word[place + 1 :]
    if kind == "swap":
        return word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :]
    if kind == "double":
        return word[: place + 1] + word[place:]
    return word[:place] + random.choice("aeiorstn") + word[place + 1 :]


def _slip(random: Random, born: date) -> date:
    if random.random() < 0.4 and born.day <= 12:
        return born.replace(month=born.day, day=born.month)
    if random.random() < 0.5:
        return born + timedelta(days=random.choice((-1, 1, 10, -10)))
    return born.replace(year=born.year - random.choice((1, 10)), day=min(born.day, 28))
