"""What happened to a person, each fact once, with the partners that recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from exchange.synthetic.contacts import Contact
from exchange.synthetic.directives import Directive
from exchange.synthetic.person import Person
from exchange.synthetic.tables import Analyte, Code, Disorder, Practitioner


@dataclass(frozen=True, slots=True)
class Visit:
    """An encounter at one partner; `also` names partners whose records mention it."""

    number: int
    partner: str
    kind: str
    start: datetime
    end: datetime
    disorder: Disorder | None
    practitioner: Practitioner
    cancelled: datetime | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A disorder on the problem lists of the partners in `by`."""

    number: int
    disorder: Disorder
    onset: date
    recorded: datetime
    by: tuple[str, ...]
    removed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prescription:
    """A drug ordered or kept on a medication list."""

    number: int
    drug: Code
    dosage: str
    reason: Problem
    when: datetime
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy; `row` is that of allergens.csv."""

    number: int
    row: dict[str, str]
    noticed: date
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dose:
    """A vaccine given or refused; `row` is that of vaccines.csv; `at` where it was given."""

    number: int
    row: dict[str, str]
    when: date
    by: tuple[str, ...]
    lot: str
    at: str
    refused: bool = False
    removed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One laboratory value; `first` is what was reported before the correction."""

    number: int
    analyte: Analyte
    value: str
    when: datetime
    by: tuple[str, ...]
    visit: Visit
    first: str = ""
    corrected: datetime | None = None
    removed: datetime | None = None

    def at(self, moment: datetime) -> str:
        """The value as it stands at a moment."""
        return self.first if self.corrected and moment < self.corrected else self.value

    @property
    def abnormal(self) -> bool:
        if not self.analyte.unit:
            return self.value == "detected"
        return not self.analyte.low <= float(self.value) <= self.analyte.high


@dataclass(frozen=True, slots=True)
class Vitals:
    """One round of vital signs in metric units."""

    number: int
    partner: str
    when: datetime
    visit: Visit
    systolic: int
    diastolic: int
    pulse: int
    weight: float
    height: int


@dataclass(frozen=True, slots=True)
class Survey:
    """A score or coded answer (PHQ-9, AUDIT-C, smoking status)."""

    number: int
    partner: str
    code: Code
    value: int | Code
    when: datetime
    visit: Visit


@dataclass(frozen=True, slots=True)
class Treatment:
    """A procedure of the substance-use program."""

    number: int
    code: Code
    when: datetime
    visit: Visit


@dataclass(frozen=True, slots=True)
class Care:
    """Everything clinical about one person."""

    visits: tuple[Visit, ...] = ()
    problems: tuple[Problem, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    doses: tuple[Dose, ...] = ()
    results: tuple[Result, ...] = ()
    vitals: tuple[Vitals, ...] = ()
    surveys: tuple[Survey, ...] = ()
    treatments: tuple[Treatment, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A stay in a housing project; dates only, as HMIS keeps them."""

    number: int
    project: tuple[str, str, str]
    entry: date
    exit: date | None
    situation: str
    relationship: str
    services: tuple[tuple[int, date, str, str], ...]


@dataclass(frozen=True, slots=True)
class Screening:
    """The food bank's questions and the answers given."""

    number: int
    on: date
    worried: str
    lasted: str
    risk: str
    housing: str


@dataclass(frozen=True, slots=True)
class Referral:
    """A referral by the food bank; `statuses` in the order they came."""

    number: int
    need: str
    to: str
    statuses: tuple[tuple[date, str], ...]
    note: str

    def status(self, on: date) -> tuple[date, str]:
        """The last status on a day."""
        return [entry for entry in self.statuses if entry[0] <= on][-1]


@dataclass(frozen=True, slots=True)
class Support:
    """Everything the social partners did for one person; `household_id` is the housing agency's."""

    enrollments: tuple[Enrollment, ...] = ()
    screenings: tuple[Screening, ...] = ()
    referrals: tuple[Referral, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """One person and all that the coalition's partners know, together; `today` is the reference day."""

    person: Person
    today: date
    contacts: tuple[Contact, ...]
    care: Care
    support: Support
    directives: tuple[Directive, ...]

    def contact(self, partner: str) -> Contact | None:
        """The person's first registration with a partner."""
        return next((found for found in self.contacts if found.partner == partner), None)

    def digits(self, partner: str) -> str:
        """The seven digits of the person's key with a partner, from which it numbers what it records."""
        return next(found.key[-7:] for found in self.contacts if found.partner == partner)

    def met(self, partner: str) -> bool:
        return self.contact(partner) is not None
