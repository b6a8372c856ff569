"""A FHIR server on loopback that keeps what transactions put and delete, breaks off or refuses on order."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.delivery.receiver import Got, Receiver, Reply


@dataclass
class Kept:
    """What a server holds, how often each was written, and which transactions it heard."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)
    keys: list[str] = field(default_factory=list)
    breaks_after: int | None = None  # writes this many transactions whole, then hangs up after writing
    will_not_have: frozenset[str] = frozenset()
    says: int = 422

    def answer(self, got: Got) -> Reply:
        """A transaction is taken whole or not at all."""
        entries = got.bundle["entry"]
        self.keys.append(got.key)
        urls = [entry["request"]["url"] for entry in entries]
        if self.will_not_have.intersection(urls):
            outcome = {
                "resourceType": "OperationOutcome",
                "issue": [{"severity": "error", "code": "invalid"}],
            }
            return self.says, json.dumps(outcome).encode(), {}
        for entry, url in zip(entries, urls, strict=True):
            if entry["request"]["method"] == "DELETE":
                self.resources.pop(url, None)
            else:
                self.resources[url] = entry["resource"]
                self.written[url] += 1
        if self.breaks_after is not None:
            self.breaks_after -= 1
            if self.breaks_after < 0:
                return 0, b"", {}
        body = {
            "resourceType": "Bundle",
            "type": "transaction-response",
            "entry": [{"response": {"status": "200 OK", "location": f"{url}/_history/1"}} for url in urls],
        }
        return 200, json.dumps(body).encode(), {}

    def of(self, kind: str) -> set[str]:
        """Ids of the resources of a type."""
        return {url.split("/")[1] for url in self.resources if url.startswith(f"{kind}/")}


def fhir_server(receiver: Any) -> tuple[Kept, Receiver]:
    """What it keeps, and the server, which the fixture `receiver` stops."""
    kept = Kept()
    return kept, receiver(kept.answer)
