"""A form as it was filled in and signed: what is wrong with it, its sentences, the FHIR Consent it is."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exchange.consent import Rules
from exchange.consent.dates import EXCHANGE_ZONE, read_date
from exchange.consent.directives.reading import GROUPS
from exchange.consent.proof.case_consents import ConsentForm, Terms, consent_of
from exchange.consent.proof.forms import Form, Language
from exchange.consent.rules.minors import OF_AGE, birth_span, birthday
from exchange.model.partner import Partner
from exchange.model.records import Resource

BASES = {"PRN": "parent", "GUARD": "guardian", "HPOWATT": "healthcare power of attorney"}
"""On what somebody signs for another (v3-RoleCode)."""

CHOICES = ("to", "purpose", "label", "type")
"""Terms of which the signer may leave some out; recipients may be others than the form names."""

DAYS = ("since", "until", "dated_since", "dated_until")
_ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the fields; `chosen` by CHOICES, `days` by DAYS, `proxy` empty: the person signed."""

    form: str
    partner: str
    chosen: Mapping[str, Sequence[str]]
    days: Mapping[str, str]
    signed: str
    proxy: str = ""
    basis: str = ""
    witness: str = ""
    language: Language = "en"
    number: str = ""


def terms_of(form: Form) -> Terms:
    """What the form's first provision names."""
    return form.consent.permit or form.consent.deny or Terms()


def named_recipients(form: Form) -> tuple[str, ...]:
    """Participants the form names, which the signer may exchange for others; groups are as they are."""
    return tuple(name for name in terms_of(form).to if not name.startswith("group:"))


def faults(
    filled: Filled,
    form: Form,
    born: Sequence[str],
    partners: Mapping[str, Partner],
    rules: Rules,
    today: date,
) -> dict[str, str]:
    """What is wrong, by field, as texts to be translated; nothing: it can be written."""
    found = {**_chosen_faults(filled, form, partners), **_day_faults(filled, form, today)}
    for name, text in (("proxy", filled.proxy), ("witness", filled.witness)):
        if not text.isprintable() or len(text) > _LONGEST:
            found[name] = "Write one line of at most 200 letters."
    if bool(filled.proxy) != bool(filled.basis):
        found["basis" if filled.proxy else "proxy"] = "Who signs for the person needs a name and a basis."
    elif filled.basis and filled.basis not in BASES:
        found["basis"] = "Choose one of the list."
    if not re.fullmatch(r"[0-9a-f-]{36}", filled.number):
        found["number"] = "Open the form again."
    if not found:
        fault = _age_fault(filled, form, born, partners[filled.partner], rules)
        found |= {"proxy": fault} if fault else {}
    return found


def _chosen_faults(filled: Filled, form: Form, partners: Mapping[str, Partner]) -> dict[str, str]:
    found: dict[str, str] = {}
    if filled.partner not in partners:
        found["partner"] = "Choose one of the list."
    for name in CHOICES:
        offered: Collection[str] = getattr(terms_of(form), name)
        if name == "to" and named_recipients(form):
            offered = {*partners, *(name for name in offered if name.startswith("group:"))}
        chosen = filled.chosen.get(name, ())
        if getattr(terms_of(form), name) and not chosen:
            found[name] = "Choose at least one."
        elif not set(chosen) <= set(offered):
            found[name] = "Choose what the form offers."
    return found


def _day_faults(filled: Filled, form: Form, today: date) -> dict[str, str]:
    found: dict[str, str] = {}
    days = {"signed": filled.signed, **{n: filled.days.get(n, "") for n in _days_of(form)}}
    for name, text in days.items():
        if _day(text) is None:
            found[name] = "Write a day like 2026-11-26."
    signed, until = _day(filled.signed), _day(filled.days.get("until", ""))
    if signed and signed > today:
        found["signed"] = "A form cannot be signed in the future."
    if until and signed and until < signed:
        found["until"] = "It ends before it is signed."
    first, last = (_day(filled.days.get(n, "")) for n in ("dated_since", "dated_until"))
    if first and last and last < first:
        found["dated_until"] = "The last day is before the first."
    return found


def _days_of(form: Form) -> list[str]:
    return [name for name in DAYS if getattr(terms_of(form), name) is not None]


def _day(text: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _age_fault(filled: Filled, form: Form, born: Sequence[str], partner: Partner, rules: Rules) -> str:
    """Who may not sign this; a refusal closes, so anybody's is taken."""
    signed = date.fromisoformat(filled.signed)
    spans = [span for span in map(birth_span, born) if span]
    surely_of_age = bool(spans) and all(birthday(last, OF_AGE) <= signed for _, last in spans)
    surely_minor = bool(spans) and all(birthday(first, OF_AGE) > signed for first, _ in spans)
    if filled.basis == "PRN" and not surely_minor:
        return "A parent signs only for somebody under 18; a guardian or health care agent may sign."
    if form.consent.permit is None or filled.proxy or surely_of_age:
        return ""
    labels, when = filled.chosen.get("label", ()), read_date(filled.signed, EXCHANGE_ZONE, "signed")
    own = surely_minor and all(
        rules.minors.own_care([label], born, when, partner.organization.state) for label in labels
    )
    if own and labels:
        return ""
    return "Somebody under 18, or of unknown age, signs alone only for care that a minor may consent to."


def sentences(filled: Filled, form: Form, names: Mapping[str, str], language: Language) -> Iterator[str]:
    """What the signer reads, exceptions last; `names` of organizations by code. Days are told apart."""
    effect = "permit" if form.consent.permit is not None else "deny"
    recipients = ", ".join(names.get(code, code) for code in filled.chosen.get("to", ()))
    told = False
    for term, text in form.says.items():
        which, field, value = term.split(".", 2)
        words = _renamed(text.in_(language), form, recipients)
        if field in DAYS and which == effect:
            continue
        if field == "to" and which == effect and value in named_recipients(form):
            yield from [] if told else [words]
            told = True
        elif which != effect or field not in CHOICES or value in filled.chosen.get(field, ()):
            yield words


def _renamed(text: str, form: Form, recipients: str) -> str:
    """The form's words name its own recipient; the signer's take its place."""
    for code in named_recipients(form):
        text = text.replace(code.replace("_", " ").title(), recipients)
    return text


def bundle_of(
    filled: Filled, form: Form, patient: str, names: Mapping[str, str], status: str, text: str
) -> Resource:
    """The Consent, and the RelatedPerson who signed for the person; `text` is what was signed."""
    terms = terms_of(form).model_copy(
        update={
            **{n: tuple(filled.chosen[n]) for n in CHOICES if getattr(terms_of(form), n)},
            **{n: date.fromisoformat(filled.days[n]) for n in _days_of(form)},
        }
    )
    side = "permit" if form.consent.permit is not None else "deny"
    written: ConsentForm = form.consent.model_copy(
        update={side: terms, "signed": date.fromisoformat(filled.signed), "status": status}
    )
    consent = {**consent_of(written, 0), "id": consent_id(filled, patient)}
    related = str(uuid5(NAMESPACE_URL, f"{consent['id']} proxy"))
    signer = f"RelatedPerson/{related}" if filled.proxy else f"Patient/{patient}"
    consent |= {
        "patient": {"reference": f"Patient/{patient}"},
        "performer": [{"reference": signer}],
        "organization": [_organization(filled.partner, names)],
        "provision": _recipients(consent["provision"], names),
        "sourceAttachment": {
            "contentType": "text/plain", "language": filled.language,
            "title": form.title.in_(filled.language),
            "creation": filled.signed, "data": b64encode(text.encode()).decode(),
        },
    }  # fmt: skip
    consent.pop("sourceReference", None)
    if filled.witness:
        consent["verification"] = [{"verified": True, "verifiedWith": {"display": filled.witness}}]
    proxy = {
        "resourceType": "RelatedPerson",
        "id": related,
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [{"coding": [{"system": _ROLE_CODE, "code": filled.basis}]}],
        "name": [{"text": filled.proxy}],
    }
    entries = [proxy, consent] if filled.proxy else [consent]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in entries]}


def consent_id(filled: Filled, patient: str) -> str:
    """The same for the same filling of the same person, so that sending it twice stores it once."""
    return str(uuid5(NAMESPACE_URL, f"urn:mosaic:captured:{filled.partner}:{patient}:{filled.number}"))


def _organization(code: str, names: Mapping[str, str]) -> dict[str, Any]:
    identifier = {"system": "urn:mosaic:partner", "value": code}
    return {"identifier": identifier, "display": names.get(code, code)}


def _recipients(provision: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The provision with actors by identifier instead of the cases' short references."""
    found = dict(provision)
    if "actor" in found:
        found["actor"] = [{**one, "reference": _actor(one["reference"], names)} for one in found["actor"]]
    if "provision" in found:
        found["provision"] = [_recipients(child, names) for child in found["provision"]]
    return found


def _actor(reference: Mapping[str, str], names: Mapping[str, str]) -> dict[str, Any]:
    kind, _, name = reference["reference"].partition("/")
    if kind == "Group":
        return {"identifier": {"system": GROUPS, "value": name}}
    return _organization(name, names)
