"""Draws what the social partners did: housing projects, screening questions, referrals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from exchange.synthetic.draw import Draw
from exchange.synthetic.facts import Enrollment, Referral, Screening, Support

PROJECTS = {
    "shelter": ("P1", "North Side Emergency Shelter Beds", "1"),
    "street": ("P4", "Street Outreach", "4"),
    "": ("P2", "North Side Rapid Re-Housing", "13"),
}
_SITUATIONS = {"shelter": "101", "street": "116", "": "336"}
_SERVICES = (("141", "6"), ("141", "6"), ("141", "10"), ("141", "4"), ("141", "5"))
_NOTES = ("Family needs a room soon", "Prefers calls in the evening", "Needs an interpreter", "")


def support(draw: Draw) -> Support:
    """Everything the housing agency and the food bank know about the person of `draw`."""
    return Support(
        enrollments=tuple(_enrollments(draw)) if draw.knows("hearth_housing") else (),
        screenings=tuple(_screenings(draw)) if draw.knows("good_table") else (),
        referrals=tuple(_referrals(draw)) if draw.knows("good_table") else (),
    )


def _enrollments(draw: Draw) -> Iterator[Enrollment]:
    first = draw.since["hearth_housing"]
    number = next(draw.numbers)
    stay = draw.rng.choice((40, 90, 200, 500))
    ends = first + timedelta(days=stay)
    adult = draw.person.age(draw.today) >= 18
    yield Enrollment(
        number=number,
        project=PROJECTS[draw.person.homeless],
        entry=first,
        exit=ends if ends <= min(draw.last, draw.today + timedelta(days=2)) else None,
        situation=_SITUATIONS[draw.person.homeless]
        if draw.rng.random() < 0.8
        else draw.rng.choice(("335", "206", "205")),
        relationship="1" if adult else "2",
        services=tuple(_services(draw, first)),
    )


def _services(draw: Draw, first: date) -> Iterator[tuple[int, date, str, str]]:
    for _ in range(draw.rng.choice((1, 2, 3, 4))):
        nights = draw.person.homeless == "shelter" and draw.rng.random() < 0.5
        kind, provided = ("200", "200") if nights else draw.rng.choice(_SERVICES)
        yield next(draw.numbers), draw.day(first), kind, provided


def _screenings(draw: Draw) -> Iterator[Screening]:
    rng = draw.rng
    for number in range(rng.choice((1, 1, 1, 2))):
        answers = ("often", "sometimes", "never", "declined")
        worried, lasted = rng.choices(answers, (30, 35, 30, 5))[0], rng.choices(answers, (25, 35, 35, 5))[0]
        homeless = bool(draw.person.homeless)
        yield Screening(
            number=next(draw.numbers),
            on=draw.since["good_table"] if number == 0 else draw.day(draw.since["good_table"]),
            worried=worried,
            lasted=lasted,
            risk="at risk" if {worried, lasted} & {"often", "sometimes"} else "no risk",
            housing="no housing"
            if homeless
            else rng.choices(("has housing", "worried", "declined"), (70, 25, 5))[0],
        )


def _referrals(draw: Draw) -> Iterator[Referral]:
    rng = draw.rng
    if rng.random() > (0.8 if draw.person.homeless else 0.35):
        return
    day = draw.day(max(draw.since["good_table"], draw.today - timedelta(days=300)))
    steps = [(day, "requested")]
    if rng.random() < 0.7:
        steps.append(
            (day + timedelta(days=rng.randrange(1, 6)), rng.choice(("accepted", "accepted", "declined")))
        )
        if steps[-1][1] == "accepted" and rng.random() < 0.5:
            steps.append((steps[-1][0] + timedelta(days=rng.randrange(5, 40)), "completed"))
    elif rng.random() < 0.2:
        steps.append((day + timedelta(days=2), "cancelled"))
    yield Referral(
        number=next(draw.numbers),
        need="housing"
        if draw.person.homeless
        else rng.choice(("housing", "housing", "transportation", "utilities")),
        to="north_shelter" if rng.random() < 0.75 else "hearth_housing",
        statuses=tuple(steps),
        note=rng.choice(_NOTES),
    )
