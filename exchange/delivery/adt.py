r"""HL7 v2.5.1 ADT messages for those who cannot read FHIR: admission, discharge and transfer.

Only what the notice needs: whom, where, since when, until when. https://www.hl7.org/implement/standards/product_brief.cfm?product_id=144
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from exchange.delivery.events import Due, Event
from exchange.delivery.told import Told

_TRIGGERS = {"admission": "A01", "transfer": "A02", "discharge": "A03"}
_CLASSES = {"IMP": "I", "ACUTE": "I", "NONAC": "I", "EMER": "E", "OBSENC": "O", "SS": "O", "AMB": "O"}
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": " "}
)


def messages(told: Told, due: Due, at: datetime) -> Iterator[tuple[str, bytes]]:
    """(control id, message) of each event; sent again, it has the same control id."""
    people = {served.id: orjson.loads(served.body) for served in told.chosen.patients}
    for event in told.events:
        served = told.focus[event.event]
        if served is None or served.about not in people:
            continue
        control = f"{due.delivery.hex[:11]}{event.event % 10**9:09d}"
        visit = orjson.loads(served.body)
        yield control, message(event, control, visit, people[served.about], at)


def message(
    event: Event, control: str, visit: Mapping[str, Any], patient: Mapping[str, Any], at: datetime
) -> bytes:
    """One ADT message of an Encounter and its golden Patient, both as the recipient sees them."""
    trigger = _TRIGGERS[event.topic]
    structure = "ADT_A02" if trigger == "A02" else "ADT_A03" if trigger == "A03" else "ADT_A01"
    period = visit.get("period", {})
    segments = [
        ["MSH", "^~\\&", "MOSAIC", "EXCHANGE", "", "", _time(at.isoformat()), "",
         f"ADT^{trigger}^{structure}", control, "P", "2.5.1", "", "", "AL", "NE", "", "UNICODE UTF-8"],
        ["EVN", "", _time(event.at.isoformat())],
        _pid(patient),
        ["PV1", "1", _CLASSES.get(visit.get("class", {}).get("code", ""), "U"), _place(visit),
         *[""] * 15, _text(visit.get("id", "")), *[""] * 24,
         _time(period.get("start", "")), _time(period.get("end", ""))],
    ]  # fmt: skip
    return "".join("|".join(fields).rstrip("|") + "\r" for fields in segments).encode()


def _pid(patient: Mapping[str, Any]) -> list[str]:
    name: Mapping[str, Any] = next(iter(patient.get("name", ())), {})
    family, given = name.get("family", ""), next(iter(name.get("given", ())), "")
    born = str(patient.get("birthDate", "")).replace("-", "")
    return [
        "PID", "1", "", f"{_text(patient['id'])}^^^MOSAIC^PI", "", f"{_text(family)}^{_text(given)}", "",
        born, _SEXES.get(patient.get("gender", ""), "U"),
    ]  # fmt: skip


def _place(visit: Mapping[str, Any]) -> str:
    """PV1-3: the last location by its words."""
    places = visit.get("location", ())
    return _text(places[-1].get("location", {}).get("display", "")) if places else ""


def _time(value: str) -> str:
    """DTM of a FHIR dateTime, to the second and with its offset.

    >>> _time("2026-11-20T10:00:00-06:00"), _time("2026-11")
    ('20261120100000-0600', '202611')
    """
    if "T" not in value:
        return value.replace("-", "")
    return datetime.fromisoformat(value).strftime("%Y%m%d%H%M%S%z")


def _text(value: object) -> str:
    r"""Escaped as HL7 v2 wants it.

    >>> _text("A|B^C")
    'A\\F\\B\\S\\C'
    """
    return str(value).translate(_ESCAPES)
