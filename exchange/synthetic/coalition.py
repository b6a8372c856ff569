"""The coalition: people, who met them, and what was recorded; drawn person by person from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random

from exchange.synthetic.care import care
from exchange.synthetic.contacts import Contact, contact, with_changes
from exchange.synthetic.directives import Directive, directives, referral_authorization
from exchange.synthetic.draw import AHEAD, Draw
from exchange.synthetic.facts import Care, History, Support
from exchange.synthetic.keys import PARTNERS, patient_key
from exchange.synthetic.people import CAST, people
from exchange.synthetic.person import REFERENCE_DAY, Person
from exchange.synthetic.support import support

_CHANCE = {
    "lakeside_hospital": 0.42,
    "prairie_clinic": 0.43,
    "harbor_recovery": 0.025,
    "willow_nursing": 0.0,
    "county_health": 0.3,
    "hearth_housing": 0.06,
    "good_table": 0.16,
}
_BY_KIND = {
    "recovery": {
        "harbor_recovery": 0.95,
        "lakeside_hospital": 0.75,
        "prairie_clinic": 0.5,
        "hearth_housing": 0.2,
    },
    "hiv": {"prairie_clinic": 0.95, "lakeside_hospital": 0.6, "county_health": 0.8},
    "twins": {"prairie_clinic": 0.9, "county_health": 0.9},
    "adult-twins": {"prairie_clinic": 0.8, "lakeside_hospital": 0.8},
    "twin-newborns": {"lakeside_hospital": 0.95, "county_health": 0.8},
    "ukrainian": {"good_table": 0.6, "lakeside_hospital": 0.6},
    "spanish": {"good_table": 0.45, "prairie_clinic": 0.7},
    "sheltered": {"hearth_housing": 0.9, "good_table": 0.6, "lakeside_hospital": 0.5, "harbor_recovery": 0.1},
    "sheltered-family": {"hearth_housing": 0.9, "good_table": 0.8},
    "street": {"hearth_housing": 0.8, "lakeside_hospital": 0.6, "harbor_recovery": 0.12},
    "senior": {"willow_nursing": 0.6, "lakeside_hospital": 0.7, "prairie_clinic": 0.6},
    "died": {"willow_nursing": 0.35, "lakeside_hospital": 0.8, "prairie_clinic": 0.5},
    "renamed": {"lakeside_hospital": 0.75, "prairie_clinic": 0.75},
}
_SECOND_REGISTRATION = {"lakeside_hospital": 0.03, "good_table": 0.03, "county_health": 0.015}


@dataclass(frozen=True, slots=True)
class Coalition:
    """`size` people and all records about them; the same for the same size, seed and day."""

    size: int
    seed: int
    today: date = REFERENCE_DAY

    def histories(self) -> Iterator[History]:
        """One person after another; nothing is kept in memory."""
        for person in people(self.size, self.seed, self.today):
            yield history(person, self.seed, self.today)

    def now(self, day: int = 1) -> datetime:
        """The end of a day of the feeds; day 1 is the reference day."""
        if not 1 <= day <= AHEAD:
            raise ValueError(f"day must lie between 1 and {AHEAD}, not {day}")
        return datetime.combine(self.today + timedelta(days=day - 1), time(23, 59, 59))


def generate(size: int = 2000, seed: int = 1, today: date = REFERENCE_DAY) -> Coalition:
    """The coalition with `size` people (see Coalition.histories)."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return Coalition(size, seed, today)


def history(person: Person, seed: int, today: date) -> History:
    """Everything about one person, from the seed and the person alone."""
    rng = Random(f"{seed}/person/{person.number}")  # noqa: S311 - reproducible on purpose
    since = _since(rng, person, today)
    draw = Draw(rng, person, today, since)
    clinical = _within_life(care(draw), person)
    social = support(draw)
    return History(
        person=person,
        today=today,
        contacts=tuple(_contacts(rng, person, since, today)),
        care=clinical,
        support=social,
        directives=_decisions(draw, clinical, social),
    )


def registrations(person: Person, seed: int, today: date = REFERENCE_DAY) -> tuple[Contact, ...]:
    """How the partners' desks write one person down, without what happened there: quick for a million."""
    rng = Random(f"{seed}/registrations/{person.number}")  # noqa: S311 - reproducible on purpose
    return tuple(_contacts(rng, person, _since(rng, person, today), today))


def _since(rng: Random, person: Person, today: date) -> dict[str, date]:
    """Who met the person, and when first."""
    met = [partner for partner in PARTNERS if rng.random() < _chance(person, partner, today)]
    met = met or [rng.choice(("lakeside_hospital", "prairie_clinic", "county_health", "good_table"))]
    last = min(person.died or today, today)
    span = max(1, min(720, (last - person.birth).days - 1))
    since = {partner: last - timedelta(days=int(span * rng.random())) for partner in met}
    if person.newborn and "lakeside_hospital" in since:
        since["lakeside_hospital"] = person.birth
    return since


def _chance(person: Person, partner: str, today: date) -> float:
    age = person.age(today)
    if (partner == "harbor_recovery" and age < 18) or (partner == "willow_nursing" and age < 60):
        return 0.0
    if person.newborn and partner in {"lakeside_hospital", "county_health"}:
        return 1.0 if partner == "lakeside_hospital" else 0.85
    if partner == "hearth_housing" and not person.homeless and age < 18:
        return 0.02
    chance = _BY_KIND.get(person.kind, {}).get(partner, _CHANCE[partner])
    if partner == "county_health" and age < 18:
        return 0.8
    if partner == "willow_nursing" and age > 70:
        chance = max(chance, 0.15)
    return min(1.0, chance * 1.25) if person.household < len(CAST) else chance


def _contacts(rng: Random, person: Person, since: dict[str, date], today: date) -> Iterator[Contact]:
    for partner, day in since.items():
        found = contact(rng, person, partner, patient_key(partner, person.number), day)
        yield with_changes(rng, person, found, today)
        if rng.random() < _SECOND_REGISTRATION.get(partner, 0) and not person.newborn and not person.died:
            yield _second(rng, person, partner, day, today)


def _second(rng: Random, person: Person, partner: str, first: date, today: date) -> Contact:
    """A second chart by mistake; the hospital finds most of them, some on the day after the reference day."""
    since = min(first + timedelta(days=rng.randrange(1, 90)), today - timedelta(days=1))
    since = max(since, first)
    again = contact(rng, person, partner, patient_key(partner, person.number, 1), since)
    again = replace(again, hazards=(*again.hazards, "second-registration"))
    if partner != "lakeside_hospital" or rng.random() < 0.25:
        return again
    merged = rng.choice((today + timedelta(days=1), min(since + timedelta(days=20), today)))
    return replace(again, merged=merged, hazards=(*again.hazards, "merged"))


def _within_life(found: Care, person: Person) -> Care:
    if not person.died:
        return found
    end = datetime.combine(person.died, time(23, 59))
    return replace(
        found,
        visits=tuple(replace(v, end=min(v.end, end)) for v in found.visits if v.start <= end),
        results=tuple(result for result in found.results if result.when <= end),
        vitals=tuple(vitals for vitals in found.vitals if vitals.when <= end),
        problems=tuple(problem for problem in found.problems if problem.recorded <= end),
        prescriptions=tuple(drug for drug in found.prescriptions if drug.when <= end),
    )


def _decisions(draw: Draw, clinical: Care, social: Support) -> tuple[Directive, ...]:
    hiv = any(problem.disorder.group == "hiv" for problem in clinical.problems)
    given = directives(draw.rng, draw.person, draw.since, draw.today, hiv)
    signed = (
        referral_authorization(draw.rng, referral.number, referral.to, referral.statuses[0][0], draw.today)
        for referral in social.referrals
    )
    return given + tuple(directive for directive in signed if directive)
