"""Deterministic logical ids: the same record of the same partner always gets the same id."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5


def resource_id(namespace: str, resource_type: str, value: str) -> str:
    """UUIDv5 of the partner's namespace, the type and the partner's own key (never clinical content).

    >>> resource_id("https://clinic.example/", "Patient", "42")
    '1d830953-d517-5a36-862f-b15a3888a7c0'
    """
    return str(uuid5(uuid5(NAMESPACE_URL, namespace), f"{resource_type}|{value}"))


def golden_id(leading_patient_id: str) -> str:
    """Id of the composed Patient whose leading visible contribution is `leading_patient_id`."""
    return str(uuid5(NAMESPACE_URL, f"urn:mosaic:person:{leading_patient_id}"))
