"""partner.yaml files for tests, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange.connectors import Connector, LocalPaths, open_connector
from exchange.crypto import Keyring
from exchange.model.partner import Partner

RING = Keyring.generate()


def partner(kind: str, options: Mapping[str, Any], match: str = "*", **feed: Any) -> Partner:
    """A partner with one feed, `records`."""
    return Partner.model_validate(
        {
            "code": "maple",
            "namespace": "https://maple.example/",
            "organization": {"name": "Maple", "type": "clinic"},
            "agreement": {"type": "BAA", "signed": "2026-01-01"},
            "connector": {"type": kind, "options": dict(options)},
            "feeds": {"records": {"format": "fhir_json", "map": "m", "match": match, **feed}},
        }
    )


def opened(partner: Partner, spool: Path = Path("/nonexistent"), **environment: str) -> Connector:
    return open_connector(partner, environment, LocalPaths(spool, RING))
