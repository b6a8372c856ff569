"""What this server says it can do, generated from what it serves.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from exchange.api.assertion import ALGORITHMS
from exchange.api.service import Service
from exchange.delivery.bundles import PROFILES, topic_url
from exchange.model.delivery import Topic
from exchange.repository import parameters
from exchange.repository.storage.parameters import Parameter
from exchange.validation import profiles_checked

_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_DEFINITIONS = "http://hl7.org/fhir/OperationDefinition"
_US_CORE = "http://hl7.org/fhir/us/core/OperationDefinition"
_OPERATIONS = {
    "Patient": {
        "everything": f"{_DEFINITIONS}/Patient-everything",
        "match": f"{_DEFINITIONS}/Patient-match",
        "summary": "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
    },
    "Observation": {"lastn": f"{_DEFINITIONS}/Observation-lastn"},
    "DocumentReference": {"docref": f"{_US_CORE}/docref"},
}
_OWN = "urn:mosaic:OperationDefinition"
_STATED = {
    "Patient": {
        "break-glass": f"{_OWN}:break-glass",
        "attest-relationship": f"{_OWN}:attest-relationship",
    },
}
_VALIDATE = {"validate": f"{_DEFINITIONS}/Resource-validate"}
_INTERACTIONS = ("read", "vread", "history-instance", "history-type", "search-type")
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
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
                "compartment": ["http://hl7.org/fhir/CompartmentDefinition/patient"],
                "resource": [*_with_export(service, _resources()), _group(service), _subscription()],
                **({"interaction": _BUNDLES, "operation": [_export("export")]} if service.exports else {}),
            }
        ],
    }


_KEPT = (
    "For participants whose partner.yaml says that they push: the Bundle is answered 202 and taken by their"
    " own pipeline; Content-Location tells what became of each entry."
)
_BUNDLES = [{"code": code, "documentation": _KEPT} for code in ("transaction", "batch")]


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
        "interaction": [{"code": code} for code in ("read", "vread", "create", "update", "delete")],
        "documentation": "Panels of the participant's own; the version that stands is the one there is.",
        "versioning": "versioned-update",
        "readHistory": False,
        "updateCreate": True,
        "conditionalRead": "not-match",
        **({"operation": [_export("group-export")]} if service.exports else {}),
    }


def _subscription() -> Mapping[str, Any]:
    """Of a client's own; each topic there is may be subscribed to."""
    topics = [topic_url(topic) for topic in get_args(Topic)]
    return {
        "extension": [
            {"url": f"{PROFILES}/capabilitystatement-subscriptiontopic-canonical", "valueCanonical": topic}
            for topic in topics
        ],
        "type": "Subscription",
        "documentation": "channel.type is rest-hook, channel.payload application/fhir+json. Of the extensions"
        " of a channel backport-heartbeat-period (30 to 86400 seconds), backport-timeout (1 to 120 seconds)"
        " and backport-max-count are honoured; others are refused, and so are other channels.",
        "supportedProfile": [f"{PROFILES}/backport-subscription"],
        "interaction": [{"code": code} for code in ("read", "create", "update", "delete", "search-type")],
        "versioning": "no-version",
        "readHistory": False,
        "updateCreate": False,
        "searchParam": [{"name": "status", "type": "token"}],
        "operation": [
            {"name": name, "definition": f"{_BACKPORT}/backport-subscription-{name}"}
            for name in ("status", "events")
        ],
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
        "tls_client_certificate_bound_access_tokens": True,
        "scopes_supported": [
            "system/*.rs",
            "system/*.read",
            *(f"system/{name}.rs" for name in served_types()),
            "system/Group.cruds",
            "system/Subscription.cruds",
        ],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def served_types() -> tuple[str, ...]:
    """The resource types that can be read and searched."""
    return tuple(sorted(parameters()))


def _security(service: Service) -> Mapping[str, Any]:
    return {
        "cors": bool(service.origins),
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
    return [*(_resource(name) for name in served_types()), _PROVENANCE]


def _resource(name: str) -> Mapping[str, Any]:
    own = sorted(parameters()[name].values(), key=lambda parameter: parameter.name)
    return {
        "type": name,
        **({"supportedProfile": profiles} if (profiles := list(profiles_checked(name))) else {}),
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "conditionalRead": "not-match",
        "referencePolicy": _REFERENCE_POLICY,
        "searchInclude": ["*", *(f"{name}:{p.name}" for p in own if p.kind == "reference")],
        "searchRevInclude": ["Provenance:target", *_pointing_at(name)],
        "searchParam": [*_GENERAL, *({"name": p.name, "type": _published(p)} for p in own)],
        "operation": [
            {"name": operation, "definition": definition}
            for operation, definition in {
                **_OPERATIONS.get(name, {}),
                **_STATED.get(name, {}),
                **_VALIDATE,
            }.items()
        ],
    }


def _published(parameter: Parameter) -> str:
    """The kind by which R4 defines it: a canonical URL of another resource is a reference to it."""
    canonical = {place.datatype for place in parameter.places} == {"canonical"}
    return "reference" if canonical and not parameter.name.startswith("_") else parameter.kind


_GENERAL = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
_PROVENANCE = {
    "type": "Provenance",
    "documentation": "Derived when it is read or included; its id is that of what it is about.",
    "interaction": [{"code": "read"}],
    "conditionalRead": "not-match",
}


def _pointing_at(name: str) -> list[str]:
    """Parameters of other types that lead to this one."""
    return [
        f"{source}:{found.name}"
        for source, own in sorted(parameters().items())
        for found in sorted(own.values(), key=lambda parameter: parameter.name)
        if found.kind == "reference" and (name == "Patient" if found.subject else name in found.targets)
    ]
