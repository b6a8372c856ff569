"""What people decided about their data, as the generator knows it before it becomes a Consent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Literal

from exchange.synthetic.person import Person

GROUP = "treating-providers"

Kind = Literal["part2", "opt-out", "partial-opt-out", "hiv", "referral", "housing", "treatment", "draft"]


@dataclass(frozen=True, slots=True)
class Directive:
    """One signed form. `named` is a participant's code or GROUP; `revoked` the day it was withdrawn.

    `except_for` holds what a nested deny takes out: ("actor", code), ("label", code), ("purpose", code).
    """

    number: int
    custodian: str
    kind: Kind
    signed: date
    until: date | None
    named: str = ""
    except_for: tuple[tuple[str, str], ...] = ()
    revoked: date | None = None
    answer: bool = True

    def in_force(self, on: date) -> bool:
        """Signed, not withdrawn, not over."""
        if self.kind in {"treatment", "draft"} or self.signed > on:
            return False
        return not (self.revoked and self.revoked <= on) and not (self.until and self.until < on)


def directives(
    rng: Random, person: Person, since: dict[str, date], today: date, hiv: bool
) -> tuple[Directive, ...]:
    """The person's decisions; `since` maps each partner that knows the person to the first contact."""
    numbers = count(1)
    found: list[Directive] = []
    if "harbor_recovery" in since:
        found += _part2(rng, numbers, since["harbor_recovery"], today)
    if "prairie_clinic" in since:
        found += _clinic(rng, numbers, since["prairie_clinic"], today)
        found += _hiv_release(rng, numbers, today) if hiv else ()
    if "hearth_housing" in since:
        found += _housing(rng, numbers, since["hearth_housing"], today)
    return tuple(found)


def _part2(rng: Random, numbers: Iterator[int], since: date, today: date) -> Iterator[Directive]:
    form = rng.choices(
        ("group", "named", "expired", "revoked", "excepted", "none"), (34, 18, 11, 12, 10, 15)
    )[0]
    if form == "none":
        return
    signed = min(since + timedelta(days=rng.randrange(0, 20)), today)
    until = signed + timedelta(days=5 * 365)
    named = rng.choice(("lakeside_hospital", "prairie_clinic")) if form == "named" else GROUP
    exceptions = [("purpose", "HLEGAL")]
    exceptions += [("label", "PSYTHPN")] if rng.random() < 0.3 else []
    exceptions += [("actor", "lakeside_hospital")] if form == "excepted" else []
    if form == "expired":
        signed = today - timedelta(days=rng.randrange(400, 700))
        until = today - timedelta(days=rng.randrange(5, 200))
    revoked = today + timedelta(days=rng.choice((-40, -9, 1, 1, 1))) if form == "revoked" else None
    if revoked:
        signed = min(signed, revoked - timedelta(days=30))
    yield Directive(
        next(numbers), "harbor_recovery", "part2", signed, until, named, tuple(exceptions), revoked
    )


def _clinic(rng: Random, numbers: Iterator[int], since: date, today: date) -> Iterator[Directive]:
    signed = min(since + timedelta(days=rng.randrange(0, 60)), today)
    draw = rng.random()
    if draw < 0.04:
        later = today + timedelta(days=1) if rng.random() < 0.2 else signed
        revoked = (
            today - timedelta(days=3) if later < today - timedelta(days=9) and rng.random() < 0.2 else None
        )
        yield Directive(next(numbers), "prairie_clinic", "opt-out", later, None, revoked=revoked)
    elif draw < 0.08:
        exceptions = (("label", "MH"),)
        yield Directive(
            next(numbers), "prairie_clinic", "partial-opt-out", signed, None, except_for=exceptions
        )
    elif draw < 0.13:
        named = rng.choice(("north_shelter", "good_table"))
        start = today - timedelta(days=rng.choice((20, 60, 100, 300)))
        yield Directive(
            next(numbers), "prairie_clinic", "referral", start, start + timedelta(days=183), named
        )
    elif draw < 0.145:
        kind: Kind = rng.choice(("treatment", "draft"))
        yield Directive(next(numbers), "prairie_clinic", kind, signed, None)


def _hiv_release(rng: Random, numbers: Iterator[int], today: date) -> Iterator[Directive]:
    if rng.random() < 0.75:
        signed = today - timedelta(days=rng.choice((15, 90, 200, 500)))
        named = rng.choice(("north_shelter", "good_table"))
        until = signed + timedelta(days=365)
        yield Directive(next(numbers), "prairie_clinic", "hiv", signed, until, named)


def _housing(rng: Random, numbers: Iterator[int], since: date, today: date) -> Iterator[Directive]:
    draw = rng.random()
    if draw < 0.72:
        until = since + timedelta(days=365 if rng.random() < 0.7 else 3 * 365)
        revoked = today + timedelta(days=1) if rng.random() < 0.04 else None
        yield Directive(next(numbers), "hearth_housing", "housing", since, until, revoked=revoked)
    elif draw < 0.85:
        yield Directive(next(numbers), "hearth_housing", "housing", since, None, answer=False)


def referral_authorization(
    rng: Random, number: int, named: str, signed: date, today: date
) -> Directive | None:
    """What the food bank's client signs when the referral is made; sometimes nothing, sometimes withdrawn."""
    if rng.random() < 0.2:
        return None
    revoked = today + timedelta(days=rng.choice((-1, 1))) if rng.random() < 0.08 else None
    revoked = revoked if revoked and revoked > signed else None
    until = signed + timedelta(days=182)
    return Directive(number, "good_table", "referral", signed, until, named, revoked=revoked)
