r"""The log as security systems read it: one line of Common Event Format for each record.

``CEF:0|vendor|product|version|event class|name|severity|extension``; bars and backslashes of the head, equal
signs and line ends of the extension are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import orjson
import psycopg

_SEVERITY = {"0": 3, "4": 6, "8": 8, "12": 10}


def lines(conn: psycopg.Connection, after: int, version: str) -> Iterator[tuple[int, str]]:
    """(number, line) of every record after that number, in order; each carries the hash of its record."""
    with conn.cursor(name="siem") as cursor:
        cursor.itersize = 2000
        cursor.execute(
            "SELECT sequence, kind, participant, patient::text, body::text, hash FROM audit_event"
            " WHERE sequence > %s ORDER BY sequence",
            (after,),
        )
        for sequence, kind, participant, patient, body, digest in cursor:
            said = {"participant": participant, "patient": patient, "hash": bytes(digest).hex()}
            yield sequence, line(sequence, kind, said, orjson.loads(body), version)


def line(
    sequence: int, kind: str, said: Mapping[str, str | None], event: Mapping[str, Any], version: str
) -> str:
    """One record; people are named by their ids alone."""
    agents = event.get("agent", ())
    asking: Mapping[str, Any] = next((a for a in agents if a.get("requestor")), {})
    address = next((a["network"]["address"] for a in agents if "network" in a), "")
    purposes = [c["code"] for p in event.get("purposeOfEvent", ()) for c in p.get("coding", ())]
    extension = {
        "rt": _milliseconds(event["recorded"]),
        "externalId": sequence,
        "act": event.get("action", ""),
        "outcome": "success" if event.get("outcome") == "0" else "failure",
        "suser": asking.get("who", {}).get("display", ""),
        **_source(address),
        "reason": event.get("outcomeDesc", ""),
        "cs1Label": "participant",
        "cs1": said["participant"] or "",
        "cs2Label": "purposeOfUse",
        "cs2": " ".join(purposes),
        "cs3Label": "patient",
        "cs3": said["patient"] or "",
        "cs4Label": "recordHash",
        "cs4": said["hash"] or "",
    }
    kept = {
        name: value
        for name, value in extension.items()
        if value != "" and (not name.endswith("Label") or extension[name.removesuffix("Label")] != "")
    }
    head = [
        "CEF:0",
        "Mosaic",
        "Exchange",
        version,
        kind,
        kind,
        str(_SEVERITY.get(event.get("outcome", ""), 5)),
    ]
    escaped = [part.replace("\\", "\\\\").replace("|", "\\|") for part in head]
    return "|".join([*escaped, " ".join(f"{name}={_escaped(value)}" for name, value in kept.items())])


def _source(address: str) -> dict[str, str]:
    """`src` holds an address of IPv4 alone; one of IPv6 has a custom field of its own.

    >>> _source("192.0.2.1"), _source("2001:db8::1"), _source("urn:mosaic:delivery:clinic/notices")
    ({'src': '192.0.2.1'}, {'c6a2Label': 'Source IPv6 Address', 'c6a2': '2001:db8::1'}, {})
    """
    try:
        version = ip_address(address).version
    except ValueError:
        return {}
    if version == 4:
        return {"src": address}
    return {"c6a2Label": "Source IPv6 Address", "c6a2": address}


def _escaped(value: object) -> str:
    r"""
    >>> _escaped("a=b\\c\nd")
    'a\\=b\\\\c\\nd'
    """
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _milliseconds(recorded: str) -> int:
    return round(datetime.fromisoformat(recorded).timestamp() * 1000)
