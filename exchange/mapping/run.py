"""What is known while one record is mapped."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from exchange.model.records import Issue, SourceRecord, Unmapped

MOST = 20
"""Positions of one issue that are told."""


class Run:
    """Mutable within one call of map_record and never seen outside of it."""

    __slots__ = (
        "addresses",
        "alike",
        "context",
        "day",
        "inside",
        "issues",
        "made_at",
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
        self.issues: dict[Issue, None] = {}
        self.notes = 0
        self.alike: dict[tuple[str, str, str, str], set[tuple[int, str]]] = {}
        self.inside = ""
        self.traced: list[tuple[int, str]] = []
        self.traced_before = 0
        self.seen: set[str] = set()
        self.snapshots: dict[str, dict[str | None, None]] = {}
        self.addresses: Any = None
        self.roots: list[Any] = []
        self.unmapped: dict[Unmapped, None] = {}
        self.made_at: list[tuple[Any, str]] = []

    def turn_to(self, root: Any, source_id: str, inside: str) -> None:
        """Another resource of the same record comes next, which stands `inside` of it."""
        self.root = self.context = root
        self.inside = inside
        self.roots.append(root)
        self.source_id, self.places, self.memo = source_id, {}, {}
        self.traced_before = len(self.traced)

    def resource_id(self, resource_type: str, key: str) -> str:
        """The same id as exchange.model.ids.resource_id."""
        return uuid5_text(self.namespace, f"{resource_type}|{key}")

    def note(
        self,
        severity: Any,
        code: str,
        detail: str,
        expression: str,
        position: str,
        place: Callable[[Any], str] | None = None,
    ) -> None:
        """Adds an issue once; `notes` counts every time.

        `place` names where in the record the entry stands that is being made. Of issues that differ in their
        position alone the first are kept and the rest counted: a record may be made to have millions.
        """
        self.notes += 1
        alike = self.alike.setdefault((severity, code, detail, expression), set())
        found = (id(self.context), position)
        if found in alike:
            return
        alike.add(found)
        if len(alike) <= MOST:
            here = "" if place is None else place(self.context)
            where = " ".join(part for part in (self.record.position, self.inside, here, position) if part)
            self.issues[Issue(severity, code, detail, expression, where)] = None

    def all_issues(self) -> tuple[Issue, ...]:
        """What was noted, and how many more there are of each."""
        more = (
            Issue(
                "information",
                "too-costly",
                f"{len(found) - MOST} more are like the first {MOST}",
                expression,
                self.record.position,
            )
            for (_, _, detail, expression), found in self.alike.items()
            if len(found) > MOST
        )
        return (*self.issues, *more)


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
