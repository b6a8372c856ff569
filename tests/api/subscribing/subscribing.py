"""A Subscription as a client writes it."""

from __future__ import annotations

SCOPES = ["system/*.rs", "system/Subscription.cruds"]
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
LOCAL = "http://localhost"


def wanted(url, topic="resource-published", filtered="Observation", content="full-resource", **changes):
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "results of the people we treat",
        "criteria": f"urn:mosaic:topic:{topic}",
        **({"_criteria": extended("backport-filter-criteria", "valueString", filtered)} if filtered else {}),
        "channel": {
            "type": "rest-hook",
            "endpoint": url,
            "payload": "application/fhir+json",
            "_payload": extended("backport-payload-content", "valueCode", content),
        },
        **changes,
    }


def extended(name, value, text):
    return {"extension": [{"url": f"{BACKPORT}/{name}", value: text}]}
