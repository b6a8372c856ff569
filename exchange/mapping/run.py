"""What is known while one record is mapped."""

from __future__ import annotations

from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from exchange.model.records import Issue, SourceRecord, Unmapped


class Run:
    """Mutable within one call of map_record and never seen outside of it."""

    __slots__ = (
        "addresses",
        "context",
        "day",
        "ids",
        "issues",
        "memo",
        "namespace",
        "notes",
        "partner",
        "places",
        "record",
        "root",
        "roots",
        "seen",
        "snapshots",
        "source",
        "source_id",
        "traced",
        "traced_before",
        "unmapped",
    )

    def __init__(self, record: SourceRecord, root: Any, namespace: UUID) -> None:
        self.record, self.root, self.context = record, root, root
        self.partner, self.namespace = record.partner, namespace
        self.day = record.event_time.date().isoformat() if record.event_time else ""
        self.source = f"urn:mosaic:partner:{record.partner}"
        self.source_id = record.key
        self.places: dict[str, list[Any]] = {}
        self.memo: dict[Any, Any] = {}
        self.ids: dict[tuple[str, str], str] = {}
        self.issues: list[Issue] = []
        self.notes = 0
        self.traced: list[tuple[int, str]] = []
        self.traced_before = 0
        self.seen: set[str] = set()
        self.snapshots: dict[str, dict[str | None, None]] = {}
        self.addresses: Any = None
        self.roots: list[Any] = []
        self.unmapped: dict[Unmapped, None] = {}

    def turn_to(self, root: Any, source_id: str) -> None:
        """Another resource of the same record comes next."""
        self.root = self.context = root
        self.roots.append(root)
        self.source_id, self.places, self.memo = source_id, {}, {}
        self.traced_before = len(self.traced)

    def resource_id(self, resource_type: str, key: str) -> str:
        """The same id as exchange.model.ids.resource_id, computed once per record."""
        found = self.ids.get((resource_type, key))
        if found is None:
            found = self.ids[resource_type, key] = uuid5_text(self.namespace, f"{resource_type}|{key}")
        return found

    def note(self, severity: Any, code: str, detail: str, expression: str, position: str) -> None:
        """Adds an issue once; `notes` counts every time."""
        self.notes += 1
        where = f"{self.record.position} {position}".strip()
        issue = Issue(severity, code, detail, expression, where)
        if issue not in self.issues:
            self.issues.append(issue)


def partner_namespace(namespace: str) -> UUID:
    """The UUID namespace of a partner's ids."""
    return uuid5(NAMESPACE_URL, namespace)


def uuid5_text(namespace: UUID, name: str) -> str:
    """str(uuid5(namespace, name)) at a third of its cost.

    >>> uuid5_text(NAMESPACE_URL, "x") == str(uuid5(NAMESPACE_URL, "x"))
    True
    """
    digest = bytearray(sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
