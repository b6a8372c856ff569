"""What tests of bulk export ask with, and say of resources."""

from __future__ import annotations

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}
SCOPES = "system/*.rs system/Group.cud"


def names(resources):
    return {f"{r['resourceType']}/{r['id']}" for r in resources}
