"""A privacy officer takes a consent from a signed form: filled in, seen with its effect, stored, revoked."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from exchange.app.privacy.capturing import capture, captured_consent, preview, revoked
from exchange.app.privacy.persons import Person, person_of
from exchange.app.privacy.rulesets import read_rules
from exchange.app.privacy.signed_forms import (
    BASES,
    CHOICES,
    DAYS,
    Filled,
    bundle_of,
    faults,
    named_recipients,
    sentences,
    terms_of,
)
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.forms import Form, Language, read_forms
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import uuid_of
from exchange.console.language import catalogue
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Visit
from exchange.console.places import Place
from exchange.console.rendering import day as in_words
from exchange.model.errors import ContentError
from exchange.model.partner import Partner

_ROLES: tuple[Role, ...] = ("privacy-officer",)


# What exchange.app.privacy.signed_forms says of a field.
FAULTS = (
    _("Write one line of at most 200 letters."), _("Who signs for the person needs a name and a basis."),
    _("Choose one of the list."), _("Open the form again."), _("Choose at least one."),
    _("Choose what the form offers."), _("Write a day like 2026-11-26."),
    _("A form cannot be signed in the future."), _("It ends before it is signed."),
    _("The last day is before the first."),
    _("A parent signs only for somebody under 18; a guardian or health care agent may sign."),
    _("Somebody under 18, or of unknown age, signs alone only for care that a minor may consent to."),
    _("parent"), _("guardian"), _("healthcare power of attorney"),
)  # fmt: skip
_DAY_TITLES = {
    "since": _("It begins on"), "until": _("It ends on"), "dated_since": _("About care given from"),
    "dated_until": _("About care given until"),
}  # fmt: skip
_CHOICE_TITLES = {
    "to": _("Who may receive it"), "purpose": _("For what"), "label": _("Protected kinds of information"),
    "type": _("Kinds of records"),
}  # fmt: skip


def choose(desk: Desk, visit: Visit) -> Answer:
    known = _person(desk, visit)
    return Page("officer/capture_choose.html", {"person": known, "forms": _forms(desk)}, patients=known.ids)


def fill(desk: Desk, visit: Visit) -> Answer:
    known, form = _person(desk, visit), _form(desk, visit)
    terms = terms_of(form)
    filled = Filled(
        form=form.form,
        partner="",
        chosen={name: tuple(map(str, getattr(terms, name))) for name in CHOICES},
        days={name: str(getattr(terms, name) or "") for name in DAYS},
        signed=_today(visit.at).isoformat(),
        language=_language(visit.language),
        number=str(uuid4()),
    )
    return _filling(desk, known, form, filled, {})


def _filling(
    desk: Desk, known: Person, form: Form, filled: Filled, wrong: Mapping[str, str], status: int = 200
) -> Page:
    return Page(
        "officer/capture.html",
        {**_shared(desk, known, form, filled), "wrong": wrong, "offered": _offered(desk, form),
         "bases": BASES, "day_titles": _DAY_TITLES, "choice_titles": _CHOICE_TITLES,
         "keepers": _keepers(desk, known)},
        status,
        known.ids,
    )  # fmt: skip


def _shared(desk: Desk, known: Person, form: Form, filled: Filled) -> dict[str, Any]:
    days = {name: filled.days[name] for name in DAYS if getattr(terms_of(form), name) is not None}
    return {"person": known, "form": form, "filled": filled, "names": _names(desk), "days": days}


def _offered(desk: Desk, form: Form) -> dict[str, list[str]]:
    """What may be chosen; a form that names participants may name any others."""
    found = {name: list(map(str, getattr(terms_of(form), name))) for name in CHOICES}
    if named_recipients(form):
        groups = [name for name in found["to"] if name.startswith("group:")]
        found["to"] = [*groups, *sorted(desk.exchange.partners)]
    return {name: values for name, values in found.items() if values}


def see(desk: Desk, visit: Visit) -> Answer:
    """What it says and would change, before anything is stored; printable for the signature."""
    known, form = _person(desk, visit), _form(desk, visit)
    filled = _filled(visit)
    if visit.form.get("again"):
        return _filling(desk, known, form, filled, {}, 200)
    wrong = _faults(desk, visit, known, form, filled)
    if wrong:
        return _filling(desk, known, form, filled, wrong, 422)
    try:
        found = preview(desk.exchange, filled.partner, _bundle(desk, known, form, filled), known.person)
    except ContentError:
        return _filling(desk, known, form, filled, {"form": NOT_COMPUTABLE}, 422)
    said = list(sentences(filled, form, _names(desk), filled.language))
    values = {**_shared(desk, known, form, filled), "said": said, "changes": found, "fields": visit.form,
              "day_titles": _DAY_TITLES}  # fmt: skip
    return Page("officer/capture_seen.html", values, patients=known.ids)


ALREADY = _("This form was stored before; it is as it stands here.")
NOT_COMPUTABLE = _("The exchange cannot compute this consent; nothing was stored.")


def take(desk: Desk, visit: Visit) -> Answer:
    known, form = _person(desk, visit), _form(desk, visit)
    filled = _filled(visit)
    wrong = _faults(desk, visit, known, form, filled)
    if wrong:
        return _filling(desk, known, form, filled, wrong, 422)
    bundle = _bundle(desk, known, form, filled)
    consent = bundle["entry"][-1]["resource"]["id"]
    if captured_consent(desk.exchange, known.person, consent):
        # Sent again from an old page: one that was revoked since must not come back.
        return Redirect(f"/privacy/people/{known.person}/consents/{consent}", told=ALREADY)
    preview(desk.exchange, filled.partner, bundle, known.person)
    page = f"/privacy/people/{known.person}/consents"
    capture(desk.exchange, filled.partner, bundle, visit.person.login, visit.person.roles, page)
    return Redirect(
        f"{page}/{bundle['entry'][-1]['resource']['id']}",
        told=_("The consent is stored and binds from now on."),
    )


def show(desk: Desk, visit: Visit) -> Answer:
    known = _person(desk, visit)
    _partner, consent = _captured(desk, visit, known)
    text = b64decode(consent["sourceAttachment"]["data"]).decode()
    values = {"person": known, "consent": consent, "text": text.splitlines(), "names": _names(desk)}
    return Page("officer/captured.html", values, patients=known.ids)


def revoke(desk: Desk, visit: Visit) -> Answer:
    known = _person(desk, visit)
    partner, _consent = _captured(desk, visit, known)
    found = captured_consent(desk.exchange, known.person, uuid_of(visit.path["consent"]))
    page = f"/privacy/people/{known.person}/consents/{visit.path['consent']}"
    if found:
        capture(
            desk.exchange,
            partner,
            revoked(found[1]),
            visit.person.login,
            visit.person.roles,
            f"{page}/revoked",
        )
    return Redirect(page, told=_("The consent is revoked; what it opened is closed from now on."))


def _captured(desk: Desk, visit: Visit, known: Person) -> tuple[str, Mapping[str, Any]]:
    found = captured_consent(desk.exchange, known.person, uuid_of(visit.path["consent"]))
    if found is None:
        raise NotFound
    return found[0], found[1]["entry"][-1]["resource"]


def _faults(desk: Desk, visit: Visit, known: Person, form: Form, filled: Filled) -> dict[str, str]:
    partners, rules = desk.exchange.partners, desk.exchange.context.rules
    found = faults(filled, form, known.born, partners, rules, _today(visit.at))
    if filled.partner not in _keepers(desk, known):
        found["partner"] = _("Choose one of the list.")
    return found


def _bundle(desk: Desk, known: Person, form: Form, filled: Filled) -> dict[str, Any]:
    names = _names(desk)
    patient = next(fhir_id for partner, fhir_id in known.patients if partner == filled.partner)
    lines = [form.title.in_(filled.language), *sentences(filled, form, names, filled.language)]
    days, words = _shared(desk, known, form, filled)["days"], catalogue(filled.language)
    lines += [
        f"{words.gettext(_DAY_TITLES[name])}: {in_words(filled.language, day)}" for name, day in days.items()
    ]
    lines += [text.in_(filled.language) for text in form.closing]
    return bundle_of(filled, form, patient, names, "active", "\n".join(lines))


def _filled(visit: Visit) -> Filled:
    given = visit.form
    return Filled(
        form=given.get("form", ""),
        partner=given.get("partner", ""),
        chosen={
            name: tuple(key.partition(".")[2] for key in given if key.startswith(f"{name}."))
            for name in CHOICES
        },
        days={name: given.get(name, "") for name in DAYS},
        signed=given.get("signed", ""),
        proxy=given.get("proxy", "").strip(),
        basis=given.get("basis", ""),
        witness=given.get("witness", "").strip(),
        language=_language(given.get("signed_in", "")),
        number=given.get("number", ""),
    )


def _language(code: str) -> Language:
    found: dict[str, Language] = {"es": "es", "uk": "uk"}
    return found.get(code, "en")


def _keepers(desk: Desk, known: Person) -> list[str]:
    """Organizations with a record of the person: one of them was given the form."""
    return sorted({partner for partner, _ in known.patients if partner in desk.exchange.partners})


def _names(desk: Desk) -> dict[str, str]:
    partners: Mapping[str, Partner] = desk.exchange.partners
    return {code: partner.organization.name for code, partner in partners.items()}


def _forms(desk: Desk) -> dict[str, Form]:
    return read_forms(read_rules(desk.exchange.settings))


def _form(desk: Desk, visit: Visit) -> Form:
    found = _forms(desk).get(visit.path["form"])
    if found is None:
        raise NotFound
    return found


def _person(desk: Desk, visit: Visit) -> Person:
    with desk.exchange.work.connect() as connection:
        found = person_of(connection, uuid_of(visit.path["person"]))
    if not found.patients:
        raise NotFound
    return found


def _today(at: datetime) -> date:
    return at.astimezone(EXCHANGE_ZONE).date()


_CONSENTS = "/privacy/people/{person}/consents"
PLACES = (
    Place(f"{_CONSENTS}/forms", choose, _ROLES, purpose="HCOMPL"),
    Place(f"{_CONSENTS}/forms/{{form}}", fill, _ROLES, purpose="HCOMPL"),
    Place(f"{_CONSENTS}/forms/{{form}}", see, _ROLES, "POST", purpose="HCOMPL"),
    Place(f"{_CONSENTS}/forms/{{form}}/signed", take, _ROLES, "POST", purpose="HCOMPL"),
    Place(f"{_CONSENTS}/{{consent}}", show, _ROLES, purpose="HCOMPL"),
    Place(f"{_CONSENTS}/{{consent}}/revoked", revoke, _ROLES, "POST", purpose="HCOMPL"),
)
