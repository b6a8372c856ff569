"""What binds until a person has looked: at a Consent that could not be read, at an identity in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.directives.normal_form import IDENTITY_HOLD, Directive, Provision
from exchange.consent.directives.reading import domain_of, is_about_disclosure, signature_of
from exchange.model.errors import RecordRejected
from exchange.model.fhir import patient_of
from exchange.model.records import Resource

_ACTIONS = ("access", "correct", "disclose", "use")
"""All but `collect`: what the exchange holds already stays, so that a correction opens it again at once."""
_SUSPENDED = Provision("deny", actions=_ACTIONS)


def suspension(consent: Resource, recorded_by: str) -> Directive | None:
    """A denial of every disclosure in the Consent's domain; None when its scope is plainly not disclosure.

    It takes the place of an older permit of the same Consent, and beats every other. What cannot be read of
    its domain is left out, and a Consent of no domain speaks in all of them.
    """
    if not _attempt(lambda: is_about_disclosure(consent), True):
        return None
    categories, policies, rules = _attempt(lambda: domain_of(consent), ((), (), ()))
    signed: Span | None = _attempt(lambda: signature_of(consent, EXCHANGE_ZONE), None)
    return Directive(
        consent=str(consent["id"]),
        version="",
        patient=f"Patient/{_attempt(lambda: patient_of(consent), None)}",
        status=str(consent.get("status", "")),
        scope="patient-privacy",
        categories=categories,
        policies=policies,
        organizations=(recorded_by,),
        signed=signed.start if signed else None,
        signed_until=signed.end if signed else None,
        written=True,
        zone=str(EXCHANGE_ZONE),
        root=_SUSPENDED,
        rules=rules,
    )


def is_suspension(directive: Directive) -> bool:
    """Whether it binds without having been signed, so that no version of a Consent says it."""
    return directive.root == _SUSPENDED


def identity_hold() -> Directive:
    """A denial of every disclosure of a person whose records may be two people's, until that is settled."""
    return Directive(
        consent=IDENTITY_HOLD,
        version="",
        patient="",
        status="active",
        scope="patient-privacy",
        categories=(),
        policies=(),
        organizations=(),
        signed=None,
        written=True,
        zone=str(EXCHANGE_ZONE),
        root=_SUSPENDED,
    )


def _attempt(read: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return read()
    except (RecordRejected, AttributeError, KeyError, TypeError, ValueError):
        return otherwise
