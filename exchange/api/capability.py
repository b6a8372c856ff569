"""What this server says it can do, generated from what it serves.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from exchange.api.assertion import ALGORITHMS
from exchange.api.service import Service
from exchange.repository import parameters

_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_DEFINITIONS = "http://hl7.org/fhir/OperationDefinition"
_PATIENT_OPERATIONS = [
    {"name": name, "definition": f"{_DEFINITIONS}/Patient-{name}"} for name in ("everything", "match")
]
_BULK = "http://hl7.org/fhir/uv/bulkdata"
_REFERENCE_POLICY = ["literal", "local"]


def capability_statement(service: Service, at: datetime) -> Mapping[str, Any]:
    """The CapabilityStatement of this instance."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at.astimezone(UTC).isoformat(timespec="seconds"),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "software": {"name": "Mosaic Exchange", "version": service.software},
        "implementation": {
            "description": "The shared repository of the coalition, as each requester may see it.",
            "url": service.fhir_url,
        },
        **({"instantiates": [f"{_BULK}/CapabilityStatement/bulk-data"]} if service.exports else {}),
        "rest": [
            {
                "mode": "server",
                "security": _security(service),
                "resource": [*_with_export(service, _resources()), _group(service)],
                **({"operation": [_export("export")]} if service.exports else {}),
            }
        ],
    }


def _export(name: str) -> Mapping[str, Any]:
    return {"name": "export", "definition": f"{_BULK}/OperationDefinition/{name}"}


def _with_export(service: Service, resources: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not service.exports:
        return resources
    patients = [_export("patient-export")]
    return [
        {**found, "operation": [*found.get("operation", ()), *patients]}
        if found["type"] == "Patient"
        else found
        for found in resources
    ]


def _group(service: Service) -> Mapping[str, Any]:
    """Panels: whom a participant says to be in its care."""
    return {
        "type": "Group",
        "interaction": [{"code": code} for code in ("read", "create", "update", "delete")],
        "versioning": "versioned-update",
        "readHistory": False,
        "updateCreate": True,
        **({"operation": [_export("group-export")]} if service.exports else {}),
    }


def smart_configuration(service: Service) -> Mapping[str, Any]:
    """https://hl7.org/fhir/smart-app-launch/conformance.html for backend services."""
    return {
        "issuer": service.base_url,
        "token_endpoint": service.token_url,
        "introspection_endpoint": f"{service.base_url}/auth/introspect",
        "revocation_endpoint": f"{service.base_url}/auth/revoke",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": [
            "system/*.rs",
            "system/*.read",
            *(f"system/{name}.rs" for name in served_types()),
            "system/Group.cruds",
        ],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def served_types() -> tuple[str, ...]:
    """The resource types that can be read and searched."""
    return tuple(sorted(parameters()))


def _security(service: Service) -> Mapping[str, Any]:
    return {
        "service": [{"coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}]}],
        "description": "SMART Backend Services; each token serves one organization, role and purpose of use.",
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": service.token_url}],
            }
        ],
    }


def _resources() -> list[Mapping[str, Any]]:
    return [
        {
            "type": name,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "versioning": "versioned",
            "readHistory": False,
            "conditionalRead": "full-support",
            "referencePolicy": _REFERENCE_POLICY,
            "searchParam": [
                {"name": parameter.name, "type": parameter.kind}
                for parameter in sorted(parameters()[name].values(), key=lambda parameter: parameter.name)
            ],
            **({"operation": _PATIENT_OPERATIONS} if name == "Patient" else {}),
        }
        for name in served_types()
    ]
