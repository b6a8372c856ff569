"""Draws vaccinations: children by the schedule, adults by season."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from exchange.synthetic.draw import Draw
from exchange.synthetic.facts import Dose
from exchange.synthetic.tables import rows


def doses(draw: Draw) -> Iterator[Dose]:
    """Each dose once, with the partners whose records hold it."""
    if not any(draw.knows(p) for p in ("county_health", "prairie_clinic", "willow_nursing")):
        return
    registered = False
    for row in rows("vaccines"):
        for day in _days(draw, row["months"]):
            if draw.person.birth <= day <= (draw.person.died or draw.today):
                for dose in _dose(draw, row, day):
                    registered = registered or "county_health" in dose.by
                    yield dose
    if draw.knows("county_health") and not registered:
        yield _first(draw)


def _first(draw: Draw) -> Dose:
    """Why the county knows the person at all."""
    day = draw.since["county_health"]
    code = "08" if draw.person.age(day) < 1 else "140"
    row = next(row for row in rows("vaccines") if row["cvx"] == code)
    number = next(draw.numbers)
    return Dose(number, row, day, ("county_health",), f"C{1000 + number}", "COUNTY CLINIC")


def _days(draw: Draw, schedule: str) -> Iterator[date]:
    rng, birth, today = draw.rng, draw.person.birth, draw.today
    if schedule == "season":
        for year in (today.year - 1, today.year):
            if rng.random() < 0.3:
                yield date(year, 10, rng.randrange(1, 31))
    elif schedule == "2021":
        if draw.person.age(today) >= 17 and rng.random() < 0.3:
            first = date(2021, rng.randrange(3, 9), rng.randrange(1, 29))
            yield first
            yield first + timedelta(days=28)
    else:
        takes = 0.8 if draw.person.age(today) < 18 else 0.3
        for months in map(int, schedule.split()):
            day = birth + timedelta(days=int(months * 30.44) + rng.randrange(0, 25))
            if day <= today and (today - day).days < 6 * 365 and rng.random() < takes:
                yield day


def _dose(draw: Draw, row: dict[str, str], day: date) -> Iterator[Dose]:
    rng = draw.rng
    clinic = draw.knows("prairie_clinic") and rng.random() < 0.45
    home = not clinic and draw.knows("willow_nursing") and row["cvx"] in {"140", "33", "207", "208"}
    county = draw.knows("county_health") and rng.random() < 0.92
    holders = (("prairie_clinic", clinic), ("willow_nursing", home), ("county_health", county))
    by = tuple(partner for partner, holds in holders if holds)
    if not by:
        return
    given = Dose(
        number=next(draw.numbers),
        row=row,
        when=day,
        by=by,
        lot=f"{rng.choice('ABCDEFGHK')}{rng.randrange(1000, 9999)}",
        at="PRAIRIE CLINIC" if clinic else "WILLOW NURSING HOME" if home else "COUNTY CLINIC",
    )
    if by == ("county_health",) and rng.random() < 0.02:
        given = replace(given, refused=True)
    elif rng.random() < 0.006:
        found = datetime.combine(draw.today + timedelta(days=rng.choice((-2, 1, 1))), time(14))
        given = replace(given, removed=max(found, datetime.combine(day, time(14)) + timedelta(days=1)))
    yield given
