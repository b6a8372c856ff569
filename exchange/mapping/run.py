"""What is known while one record is mapped."""

from __future__ import annotations

from functools import lru_cache
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
        self.partner, self.namespace = record.partner, namespace.bytes
        self.day = record.event_time.date().isoformat() if record.event_time else ""
        self.source = f"urn:mosaic:partner:{record.partner}"
        self.source_id = record.key
        self.places: dict[Any, list[Any]] = {}
        self.memo: dict[Any, Any] = {}
        self.ids: dict[str, str] = {}
        self.issues: dict[Issue, None] = {}
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
        name = f"{resource_type}|{key}"
        found = self.ids.get(name)
        if found is None:
            found = self.ids[name] = uuid5_text(self.namespace, name)
        return found

    def note(self, severity: Any, code: str, detail: str, expression: str, position: str) -> None:
        """Adds an issue once; `notes` counts every time."""
        self.notes += 1
        where = f"{self.record.position} {position}".strip()
        self.issues[Issue(severity, code, detail, expression, where)] = None


def partner_namespace(namespace: str) -> UUID:
    """The UUID namespace of a partner's ids."""
    return uuid5(NAMESPACE_URL, namespace)


@lru_cache(maxsize=1 << 16)
def uuid5_text(namespace: bytes, name: str) -> str:
    """str(uuid5(namespace, name)), of the namespace's bytes, at a third of its cost.

    Kept, as thousands of records refer to the same visit and doctor.

    >>> uuid5_text(NAMESPACE_URL.bytes, "x") == str(uuid5(NAMESPACE_URL, "x"))
    True
    """
    text = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    # RFC 9562: the version is 5, the first two bits of the variant are 10.
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


_VARIANT = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}
