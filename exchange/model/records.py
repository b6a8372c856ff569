"""The types that flow through the five steps: plain, frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Resource = dict[str, Any]
"""A FHIR R4 resource as a plain dict; nothing may mutate one it was given."""

Files = Mapping[str, str]
"""Content by path relative to the content root: how `mappings/` and `consent/` reach the pure core."""

Format = Literal["hl7v2", "ccda", "delimited", "fhir_json", "hsds_json", "x12"]


@dataclass(frozen=True, slots=True)
class Document:
    """One transport unit as a connector hands it over: a file, a page, a message.

    `name` says where it was in the partner's system; it may hold patient data and is never logged.
    `beside` holds the files of the same folder that its feed joins, by name.
    """

    feed: str
    name: str
    payload: bytes
    deleted: bool = False
    modified: datetime | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything yielded before it may be committed; `cursor` resumes after it (JSON values only)."""

    cursor: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The smallest thing a partner sent that is mapped on its own: message, document, row, resource.

    `key` identifies it within (partner, feed) across runs; `position` says where it stood.
    """

    partner: str
    feed: str
    key: str
    format: Format
    payload: bytes
    position: str
    deleted: bool = False
    event_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """What was found wrong, in the words of OperationOutcome.issue; never a value of the patient's.

    https://hl7.org/fhir/R4/operationoutcome.html
    """

    severity: Literal["fatal", "error", "warning", "information"]
    code: str
    detail: str
    expression: str = ""
    position: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """The partner says that `loser` is the same person as `survivor` (HL7 v2 A40, Patient.link)."""

    survivor: str
    loser: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A code that no row of a code map answers: never text a person typed, `` where it may be that."""

    code_map: str
    system: str
    code: str
    element: str
    position: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one SourceRecord became: resources with deterministic ids, `Type/id` of what it deletes.

    `conditional` names the resources that are written only where none by that id is known, because the
    record says less of them than others do (the PID of a result message):
    https://hl7.org/fhir/R4/http.html#ccreate
    """

    resources: tuple[Resource, ...] = ()
    deleted: tuple[str, ...] = ()
    conditional: frozenset[str] = frozenset()
    merges: tuple[Merge, ...] = ()
    issues: tuple[Issue, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    snapshots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a label was given: by program, code, inference, reference or text; `detail` holds no values."""

    label: str
    basis: str
    detail: str
    expression: str = ""
    strength: Literal["strong", "weak", "context"] = "strong"


@dataclass(frozen=True, slots=True)
class Labels:
    """What a record reveals: v3-Confidentiality code, v3-ActCode sensitivity and law codes, evidence."""

    confidentiality: str = "N"
    codes: frozenset[str] = frozenset()
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks and why: participant code, role, one v3-ActReason purpose of use."""

    participant: str
    role: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Decision:
    """permit or deny, the ids of what caused it, and what must travel with the data.

    `until` is when the answer may change by itself (None: never).
    """

    effect: Literal["permit", "deny"]
    because: tuple[str, ...]
    obligations: frozenset[str] = frozenset()
    needs_relationship: bool = False
    until: datetime | None = None
