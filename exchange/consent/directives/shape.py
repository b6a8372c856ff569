"""Whether a Consent has the shape R4 gives it, as far as its meaning hangs on that.

An element that is not read, or read as absent, constrains nothing: a permit would reach everybody.
https://hl7.org/fhir/R4/consent-definitions.html
"""

from __future__ import annotations

from typing import Any

from exchange.model.errors import RecordRejected
from exchange.model.fhir_types import fhir_type
from exchange.model.records import Resource

STATUSES = ("draft", "proposed", "active", "rejected", "inactive", "entered-in-error")
_CHANGES_MEANING = ("modifierExtension", "implicitRules")


def check_shape(consent: Resource) -> None:
    """Raises RecordRejected for what is no Consent, or may mean something else than it seems to.

    Of one that is not active nothing is followed, so what changes the meaning of a part changes nothing.
    """
    if consent.get("resourceType") != "Consent":
        raise RecordRejected("not a Consent", expression="resourceType")
    if consent.get("status") not in STATUSES:
        raise RecordRejected("not a Consent status", expression="Consent.status")
    if not isinstance(consent.get("patient"), dict):
        raise RecordRejected("a Consent needs its patient", code="required", expression="Consent.patient")
    binds = consent["status"] == "active"
    for name in _CHANGES_MEANING:
        if name in consent or (binds and _has(consent, name)):
            raise RecordRejected(
                "it may change the meaning of anything here",
                code="not-supported",
                expression=f"Consent.{name}",
            )
    if not fhir_type("Consent").elements.keys() >= {n.removeprefix("_") for n in consent} - {"resourceType"}:
        raise RecordRejected("an element that an R4 Consent does not have", expression="Consent")


def check_provision(node: dict[str, Any], path: str) -> None:
    """Every element is one of a provision and says something. Raises RecordRejected."""
    _check_elements(node, "Consent.provision", path)
    for name in ("period", "dataPeriod"):
        if isinstance(node.get(name), dict):
            _check_elements(node[name], "Period", f"{path}.{name}")


def _check_elements(node: dict[str, Any], type_name: str, path: str) -> None:
    elements = fhir_type(type_name).elements
    if any(name.removeprefix("_") not in elements for name in node):
        raise RecordRejected("an element that R4 does not have here", expression=path)
    for name in elements:
        no_exceptions = name == "provision" and node.get(name) == []
        if name in node and not node[name] and not no_exceptions:
            raise RecordRejected("an element that says nothing", expression=f"{path}.{name}")
        if f"_{name}" in node and name not in node:
            raise RecordRejected("its value is left out", code="not-supported", expression=f"{path}.{name}")


def _has(node: object, name: str) -> bool:
    if isinstance(node, dict):
        return name in node or any(_has(value, name) for value in node.values())
    return isinstance(node, list) and any(_has(item, name) for item in node)
