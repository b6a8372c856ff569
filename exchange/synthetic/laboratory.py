"""Draws laboratory results; some are reportable and reach public health as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random

from exchange.synthetic.draw import Draw
from exchange.synthetic.facts import Problem, Result, Visit
from exchange.synthetic.tables import Analyte, analytes

REPORTABLE = {"hiv", "hiv-screen", "lead", "covid", "chlamydia", "gonorrhoea"}


def results(draw: Draw, visits: tuple[Visit, ...], problems: tuple[Problem, ...]) -> Iterator[Result]:
    """The results of every test done at the visits."""
    groups = {problem.disorder.group for problem in problems}
    codes = {problem.disorder.icd10cm.code for problem in problems}
    for visit in visits:
        if not visit.cancelled:
            for purpose in _purposes(draw, visit, groups, codes):
                yield from _panel(draw, visit, purpose, positive=purpose == "hiv-screen" and "hiv" in groups)


def _purposes(draw: Draw, visit: Visit, groups: set[str], codes: set[str]) -> Iterator[str]:
    rng, age = draw.rng, draw.person.age(draw.today)
    if visit.partner == "harbor_recovery":
        yield "drug-screen"
        return
    if visit.kind == "birth":
        return
    if rng.random() < (0.5 if visit.partner == "lakeside_hospital" else 0.3):
        yield "routine"
    if visit.partner == "lakeside_hospital" and visit.kind == "inpatient" and rng.random() < 0.4:
        yield "acute"
    if visit.disorder and visit.disorder.icd10cm.code in {"U07.1", "J06.9", "J18.9"} and rng.random() < 0.6:
        yield "covid"
    if visit.partner == "prairie_clinic":
        yield from _clinic_purposes(draw, groups, codes, age)
    elif age in range(18, 60) and rng.random() < 0.03:
        yield "hiv-screen"


def _clinic_purposes(draw: Draw, groups: set[str], codes: set[str], age: int) -> Iterator[str]:
    if "hiv" in groups:
        yield "hiv"
    elif age in range(16, 60) and draw.rng.random() < 0.04:
        yield "hiv-screen"
    if "E11.9" in codes and draw.rng.random() < 0.7:
        yield "diabetes"
    if age in range(1, 6) and draw.rng.random() < 0.5:
        yield "lead"
    if age in range(16, 45) and draw.rng.random() < 0.03:
        yield draw.rng.choice(("chlamydia", "gonorrhoea"))


def _panel(draw: Draw, visit: Visit, purpose: str, *, positive: bool) -> Iterator[Result]:
    tests = analytes(purpose)
    panel = draw.rng.choice(sorted({test.panel.code for test in tests}))
    if purpose == "drug-screen":
        tests = tuple(draw.rng.sample(tests, 2))
    reported = purpose in REPORTABLE and draw.knows("county_health") and draw.rng.random() < 0.85
    by = (visit.partner, "county_health") if reported else (visit.partner,)
    for test in tests:
        if purpose != "routine" or test.panel.code == panel:
            yield _result(draw, visit, test, by, positive)


def _result(draw: Draw, visit: Visit, test: Analyte, by: tuple[str, ...], positive: bool) -> Result:
    rng = draw.rng
    value = _value(rng, test, positive)
    corrected = removed = None
    first = ""
    if test.unit and rng.random() < 0.02:
        first, corrected = _value(rng, test, positive), _soon(rng, draw.today, visit.start)
    elif rng.random() < (0.02 if visit.partner == "harbor_recovery" else 0.008):
        removed = _soon(rng, draw.today, visit.start)
    when = visit.start + timedelta(minutes=25)
    return Result(next(draw.numbers), test, value, when, by, visit, first, corrected, removed)


def _value(rng: Random, test: Analyte, positive: bool) -> str:
    if not test.unit:
        return (
            "detected"
            if positive or (test.purpose != "hiv-screen" and rng.random() < 0.3)
            else "not detected"
        )
    value = max(test.mean / 10, rng.gauss(test.mean, test.spread))
    return f"{value:.{test.decimals}f}"


def _soon(rng: Random, today: date, after: datetime) -> datetime:
    """Mistakes are found within a week, or on the day after the reference day."""
    found = datetime.combine(today + timedelta(days=rng.choice((-3, 1, 1, 2))), time(rng.randrange(8, 17)))
    return max(found, after + timedelta(days=1))
