"""How the types that flow are written in a batch file, and read again."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from exchange.model.records import Evidence, Issue, Labels, Unmapped


def loads(payload: bytes) -> dict[str, Any]:
    """One JSON object."""
    value: dict[str, Any] = orjson.loads(payload)
    return value


def is_error(issue: Issue) -> bool:
    """Does the issue keep the resource out?"""
    return issue.severity in ("error", "fatal")


def flat(value: Issue | Evidence | Unmapped) -> dict[str, Any]:
    """Its fields by name; `asdict` would copy what they hold, at ten times the cost.

    >>> flat(Issue("error", "required", "is required", "Patient.name"))["code"]
    'required'
    """
    return {name: getattr(value, name) for name in type(value).__slots__}


def issue_to_json(issue: Issue) -> dict[str, Any]:
    """Keys as the fields of Issue."""
    return flat(issue)


def issue_from_json(value: dict[str, Any]) -> Issue:
    """The reverse of issue_to_json."""
    return Issue(**value)


def labels_to_json(labels: Labels) -> dict[str, Any]:
    """Codes sorted, so that equal labels give equal bytes."""
    return {
        "confidentiality": labels.confidentiality,
        "codes": sorted(labels.codes),
        "evidence": [flat(evidence) for evidence in labels.evidence],
    }


def labels_from_json(value: dict[str, Any]) -> Labels:
    """The reverse of labels_to_json."""
    if not value["evidence"] and not value["codes"]:
        return _unlabelled(value["confidentiality"])
    return Labels(
        value["confidentiality"],
        frozenset(value["codes"]),
        tuple(Evidence(**evidence) for evidence in value["evidence"]),
    )


@cache
def _unlabelled(confidentiality: str) -> Labels:
    return Labels(confidentiality)
