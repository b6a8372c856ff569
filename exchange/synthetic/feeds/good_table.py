"""good_table: the food bank's CSV files: people (snapshot), screenings and referrals (what is new)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import History, Referral, Screening
from exchange.synthetic.keys import NPIS
from exchange.synthetic.person import language

PARTNER = "good_table"
COLUMNS: dict[str, tuple[str, ...]] = {
    "people": (
        *("client_id", "full_name", "birth_date", "gender", "phone", "street", "city", "state", "zip"),
        *("language", "household_size", "first_visit", "last_visit", "updated_at"),
    ),
    "screenings": (
        *("screening_id", "client_id", "screened_on", "worried_food_run_out", "food_did_not_last"),
        *("food_risk", "housing_status"),
    ),
    "referrals": (
        *("referral_id", "client_id", "need", "referred_on", "referred_to", "status", "status_date", "note"),
        *("authorization_signed", "authorization_until", "authorization_status"),
    ),
}
_LANGUAGES = {"eng": "English", "spa": "Spanish", "ukr": "Ukrainian", "pol": "Polish", "vie": "Vietnamese"}

Row = dict[str, str]


def rows(history: History, after: datetime | None, now: datetime) -> Iterator[tuple[str, Row]]:
    """A person's rows in the files of the day `now`; `after` is when the previous files were written."""
    charts = [contact for contact in history.contacts if contact.partner == PARTNER]
    for chart in charts:
        if not _left(history, now):
            yield "people", _person(history, chart, now)
    for screening in history.support.screenings if charts else ():
        if _between(screening.on, after, now):
            yield "screenings", _screening(history, charts[0], screening)
    for referral in history.support.referrals if charts else ():
        made = referral.statuses[0][0] <= now.date()
        if made and any(_between(day, after, now) for day in _changes(history, referral)):
            yield "referrals", _referral(history, charts[0], referral, now.date())


def _left(history: History, now: datetime) -> bool:
    """A few clients ask to be forgotten on the day after the reference day."""
    return history.person.number % 101 == 11 and now.date() > history.today


def _between(day: date, after: datetime | None, now: datetime) -> bool:
    return day <= now.date() and (after is None or day > after.date())


def american(day: date | None) -> str:
    """MM/DD/YYYY."""
    return day.strftime("%m/%d/%Y") if day else ""


def _person(history: History, chart: Contact, now: datetime) -> Row:
    says, home = chart.says(now.date()), chart.says(now.date()).address
    last = max([chart.since, *(s.on for s in history.support.screenings if s.on <= now.date())])
    return {
        "client_id": chart.key,
        "full_name": f"{says.given} {says.family}",
        "birth_date": american(says.birth),
        "gender": "Female" if says.sex == "F" else "Male",
        "phone": f"({says.phone[:3]}) {says.phone[3:6]}-{says.phone[6:]}" if says.phone else "",
        "street": f"{home.street} {home.unit}".strip() if home else "",
        "city": home.city if home else "",
        "state": home.state if home else "",
        "zip": home.zip if home else "",
        "language": _LANGUAGES[language(history.person)],
        "household_size": str(1 + history.person.household % 5),
        "first_visit": american(chart.since),
        "last_visit": american(last),
        "updated_at": f"{last.isoformat()}T11:20:00",
    }


def screening_id(history: History, screening: Screening) -> str:
    """screening_id."""
    return f"SC-{history.digits(PARTNER)}{screening.number:03d}"


def _screening(history: History, chart: Contact, found: Screening) -> Row:
    return {
        "screening_id": screening_id(history, found),
        "client_id": chart.key,
        "screened_on": american(found.on),
        "worried_food_run_out": found.worried,
        "food_did_not_last": found.lasted,
        "food_risk": found.risk,
        "housing_status": found.housing,
    }


def referral_id(history: History, referral: Referral) -> str:
    """referral_id."""
    return f"RF-{history.digits(PARTNER)}{referral.number:03d}"


def _changes(history: History, referral: Referral) -> Iterator[date]:
    yield from (day for day, _ in referral.statuses)
    yield from (d.revoked for d in history.directives if d.number == referral.number and d.revoked)


def _referral(history: History, chart: Contact, found: Referral, today: date) -> Row:
    day, status = found.status(today)
    return {
        "referral_id": referral_id(history, found),
        "client_id": chart.key,
        "need": found.need,
        "referred_on": american(found.statuses[0][0]),
        "referred_to": NPIS[found.to],
        "status": status,
        "status_date": american(day),
        "note": found.note,
        **_authorization(history, found, today),
    }


def _authorization(history: History, found: Referral, today: date) -> Row:
    signed = [d for d in history.directives if d.custodian == PARTNER and d.number == found.number]
    if not signed or signed[0].signed > today:
        return {}
    form = signed[0]
    withdrawn = form.revoked is not None and form.revoked <= today
    return {
        "authorization_signed": american(form.signed),
        "authorization_until": american(form.until or form.signed + timedelta(days=182)),
        "authorization_status": "revoked" if withdrawn else "active",
    }
