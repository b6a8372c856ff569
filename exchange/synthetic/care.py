"""Draws the clinical part of a person's history: plausible in age, order and code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from exchange.synthetic.draw import Draw
from exchange.synthetic.facts import (
    Allergy,
    Care,
    Prescription,
    Problem,
    Survey,
    Treatment,
    Visit,
    Vitals,
)
from exchange.synthetic.laboratory import results
from exchange.synthetic.person import Person
from exchange.synthetic.tables import (
    LOINC,
    SNOMED,
    Code,
    Disorder,
    disorders,
    medications,
    practitioners,
    rows,
)
from exchange.synthetic.vaccines import doses

PHQ9 = Code(LOINC, "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]")
AUDIT_C = Code(LOINC, "75626-2", "Total score [AUDIT-C]")
SMOKING = Code(LOINC, "72166-2", "Tobacco smoking status")
_SMOKERS = (
    (Code(SNOMED, "266919005", "Never smoked tobacco"), 60),
    (Code(SNOMED, "8517006", "Ex-smoker"), 25),
    (Code(SNOMED, "449868002", "Smokes tobacco daily"), 15),
)


def care(draw: Draw) -> Care:
    """Everything clinical about the person of `draw`."""
    visits = tuple(_visits(draw))
    problems = tuple(_problems(draw, visits))
    return Care(
        visits=visits,
        problems=problems,
        prescriptions=tuple(_prescriptions(draw, problems)),
        allergies=tuple(_allergies(draw)),
        doses=tuple(doses(draw)),
        results=tuple(results(draw, visits, problems)),
        vitals=tuple(_vitals(draw, visits)),
        surveys=tuple(_surveys(draw, visits, problems)),
        treatments=tuple(_treatments(draw, visits)),
    )


def _visits(draw: Draw) -> Iterator[Visit]:
    if draw.knows("lakeside_hospital"):
        yield from _hospital_visits(draw)
    if draw.knows("prairie_clinic"):
        yield from _sessions(draw, "prairie_clinic", "checkup", draw.rng.choice((1, 1, 2, 2, 3)))
    if draw.knows("harbor_recovery"):
        yield from _sessions(draw, "harbor_recovery", "program", draw.rng.choice((2, 3, 4)))


def _hospital_visits(draw: Draw) -> Iterator[Visit]:
    person, first = draw.person, draw.since["lakeside_hospital"]
    if person.newborn:
        yield _hospital_visit(draw, first, "birth")
        return
    for number in range(draw.rng.choice((1, 1, 1, 2, 2, 3))):
        day = first if number == 0 else draw.day(first)
        yield _hospital_visit(draw, day, _hospital_reason(draw))
    if person.died and person.died >= first:
        yield _hospital_visit(draw, person.died - timedelta(days=1), "last")


def _hospital_reason(draw: Draw) -> str:
    rng, person = draw.rng, draw.person
    if person.kind == "recovery" and rng.random() < 0.35:
        return "overdose"
    if person.age(draw.today) >= 18 and rng.random() < 0.05:
        return "psychiatric"
    if person.sex == "F" and person.age(draw.today) in range(18, 45) and rng.random() < 0.04:
        return "violence"
    return "inpatient" if rng.random() < (0.5 if person.age(draw.today) > 60 else 0.2) else "emergency"


def _hospital_visit(draw: Draw, day: date, kind: str) -> Visit:
    rng = draw.rng
    start = draw.moment(max(day, draw.person.birth), 0, 24)
    hours = {"emergency": 5, "overdose": 9, "violence": 6, "birth": 44, "last": 20, "psychiatric": 150}
    end = start + timedelta(hours=hours.get(kind, rng.randrange(30, 150)), minutes=rng.randrange(60))
    if kind == "last" and draw.person.died:
        end = min(end, datetime.combine(draw.person.died, time(23, 40)))
        start = min(start, end - timedelta(hours=4))
    cancelled = start + timedelta(hours=2) if kind == "inpatient" and rng.random() < 0.06 else None
    listed = kind in {"inpatient", "psychiatric"} and draw.knows("willow_nursing") and not cancelled
    return Visit(
        number=next(draw.numbers),
        partner="lakeside_hospital",
        kind=kind,
        start=start,
        end=end,
        disorder=_reason(draw, kind),
        practitioner=rng.choice(practitioners("lakeside_hospital")),
        cancelled=cancelled,
        also=("willow_nursing",) if listed else (),
    )


def _reason(draw: Draw, kind: str) -> Disorder | None:
    person = draw.person
    if kind == "birth":
        return disorders("birth")[1 if person.twin else 0]
    groups = {"overdose": "overdose", "violence": "violence", "psychiatric": "mental"}
    fitting = [d for d in disorders(groups.get(kind, "acute")) if _fits(d, person, draw.today)]
    return draw.rng.choices(fitting, [d.rate for d in fitting])[0] if fitting else None


def _fits(disorder: Disorder, person: Person, today: date) -> bool:
    return disorder.from_age <= person.age(today) <= disorder.to_age and disorder.sex in {"", person.sex}


def _sessions(draw: Draw, partner: str, kind: str, number: int) -> Iterator[Visit]:
    who = draw.rng.choice(practitioners(partner))
    for index in range(number):
        day = draw.since[partner] if index == 0 else draw.day(draw.since[partner])
        start = draw.moment(day)
        end = start + timedelta(minutes=draw.rng.choice((20, 30, 40, 60)))
        reason = _reason(draw, kind) if kind == "checkup" and draw.rng.random() < 0.5 else None
        yield Visit(next(draw.numbers), partner, kind, start, end, reason, who)


def _problems(draw: Draw, visits: tuple[Visit, ...]) -> Iterator[Problem]:
    keepers = tuple(p for p in ("prairie_clinic", "willow_nursing") if draw.knows(p))
    for group in ("chronic", "dementia", "mental"):
        for disorder in disorders(group):
            if keepers and draw.rng.random() < _chance(draw, disorder):
                yield _problem(draw, disorder, keepers)
    adult = draw.person.age(draw.today) >= 18
    if keepers and adult and (draw.person.kind == "hiv" or draw.rng.random() < 0.003):
        yield _problem(draw, draw.rng.choice(disorders("hiv")), keepers)
    if draw.knows("harbor_recovery"):
        ranked = disorders("substance")
        chosen = draw.rng.choices(ranked, [d.rate for d in ranked])[0]
        yield _problem(draw, chosen, ("harbor_recovery",))
    for visit in visits:
        if visit.partner == "prairie_clinic" and visit.disorder and draw.rng.random() < 0.5:
            yield Problem(
                next(draw.numbers), visit.disorder, visit.start.date(), visit.start, ("prairie_clinic",)
            )


def _chance(draw: Draw, disorder: Disorder) -> float:
    if not _fits(disorder, draw.person, draw.today):
        return 0.0
    if disorder.group == "mental" and draw.person.kind in {"recovery", "street"}:
        return disorder.rate * 2.5
    return disorder.rate * (2 if draw.knows("willow_nursing") else 1)


def _problem(draw: Draw, disorder: Disorder, keepers: tuple[str, ...]) -> Problem:
    youngest = draw.person.birth + timedelta(days=int(disorder.from_age * 365.25))
    recorded = max(draw.since[partner] for partner in keepers)
    earliest = max(youngest, recorded - timedelta(days=3650))
    span = max(1, (recorded - earliest).days)
    onset = min(earliest + timedelta(days=draw.rng.randrange(span)), recorded)
    by = keepers if draw.rng.random() < 0.7 else (draw.rng.choice(keepers),)
    removed = None
    if draw.rng.random() < 0.015:
        removed = datetime.combine(draw.today + timedelta(days=draw.rng.choice((-20, -2, 1, 1))), time(10))
    return Problem(next(draw.numbers), disorder, onset, draw.moment(recorded), by, removed)


def _prescriptions(draw: Draw, problems: tuple[Problem, ...]) -> Iterator[Prescription]:
    for problem in problems:
        drugs = medications(problem.disorder.icd10cm.code)
        if drugs and draw.rng.random() < 0.8:
            drug, dosage = draw.rng.choice(drugs)
            yield Prescription(next(draw.numbers), drug, dosage, problem, problem.recorded, problem.by)


def _allergies(draw: Draw) -> Iterator[Allergy]:
    askers = ("lakeside_hospital", "prairie_clinic", "willow_nursing")
    for row in rows("allergens"):
        if draw.person.newborn or draw.rng.random() >= float(row["rate"]):
            continue
        by = tuple(p for p in askers if draw.knows(p) and draw.rng.random() < 0.85)
        met = min(draw.since.values())
        days = max(1, (met - draw.person.birth).days)
        noticed = met - timedelta(days=draw.rng.randrange(min(days, 7000)))
        if by:
            yield Allergy(next(draw.numbers), row, noticed, by)


def _vitals(draw: Draw, visits: tuple[Visit, ...]) -> Iterator[Vitals]:
    rng, age = draw.rng, draw.person.age(draw.today)
    height = min(176, 52 + 7 * age) + rng.randrange(-9, 10)
    weight = max(3.0, (height / 100) ** 2 * rng.uniform(16 + min(age, 30) / 5, 21 + min(age, 40) / 4))
    rounds = [(visit, "prairie_clinic") for visit in visits if visit.partner == "prairie_clinic"]
    if draw.knows("willow_nursing"):
        start = draw.moment(draw.since["willow_nursing"])
        stay = replace(_stay(draw), start=start)
        rounds += [(replace(stay, start=start + timedelta(days=7 * n)), "willow_nursing") for n in range(2)]
    for visit, partner in rounds:
        systolic = rng.randrange(98, 124) + min(age, 80) // 3
        yield Vitals(
            number=next(draw.numbers),
            partner=partner,
            when=visit.start + timedelta(minutes=5),
            visit=visit,
            systolic=systolic,
            diastolic=int(systolic * 0.62) + rng.randrange(0, 9),
            pulse=rng.randrange(58, 96),
            weight=round(weight + rng.uniform(-2, 2), 1),
            height=height,
        )


def _stay(draw: Draw) -> Visit:
    start = draw.moment(draw.since["willow_nursing"])
    who = practitioners("willow_nursing")[0]
    return Visit(0, "willow_nursing", "stay", start, start, None, who)


def _surveys(draw: Draw, visits: tuple[Visit, ...], problems: tuple[Problem, ...]) -> Iterator[Survey]:
    low_spirits = any(problem.disorder.group == "mental" for problem in problems)
    for visit in visits:
        number = next(draw.numbers)
        if visit.partner == "prairie_clinic" and draw.person.age(draw.today) >= 14:
            if low_spirits or draw.rng.random() < 0.15:
                score = draw.rng.randrange(8, 24) if low_spirits else draw.rng.randrange(0, 8)
                yield Survey(number, visit.partner, PHQ9, score, visit.start, visit)
            elif draw.rng.random() < 0.5:
                status = draw.rng.choices([s for s, _ in _SMOKERS], [w for _, w in _SMOKERS])[0]
                yield Survey(number, visit.partner, SMOKING, status, visit.start, visit)
        elif visit.partner == "harbor_recovery" and draw.rng.random() < 0.5:
            yield Survey(number, visit.partner, AUDIT_C, draw.rng.randrange(2, 13), visit.start, visit)


def _treatments(draw: Draw, visits: tuple[Visit, ...]) -> Iterator[Treatment]:
    for visit in visits:
        if visit.partner == "harbor_recovery":
            row = draw.rng.choice(rows("program_procedures"))
            code = Code(row["system"], row["code"], row["display"])
            yield Treatment(next(draw.numbers), code, visit.start, visit)
