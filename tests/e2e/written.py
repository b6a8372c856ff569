"""Values of a resource as searches write them. https://hl7.org/fhir/R4/search.html#ptypes"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any


def escaped(text: str) -> str:
    return re.sub(r"([\\,$|])", r"\\\1", text)


def token(value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, str):
        yield escaped(value)
    elif "coding" in value:
        for coding in value["coding"]:
            yield from token(coding)
    elif isinstance(code := value.get("code", value.get("value")), str):
        yield escaped(code)
        if "system" in value:
            yield f"{escaped(value['system'])}|{escaped(code)}"


def string(value: Any) -> Iterator[str]:
    """A text, or the parts of a name or an address."""
    if isinstance(value, str):
        yield escaped(value)
    for part in (
        "family",
        "given",
        "prefix",
        "suffix",
        "text",
        "line",
        "city",
        "state",
        "postalCode",
        "country",
    ):
        texts = value.get(part, ()) if isinstance(value, dict) else ()
        yield from map(escaped, [texts] if isinstance(texts, str) else texts)


def quantity(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("value"), (int, float)):
        number, unit = str(value["value"]), value.get("code") or value.get("unit")
        yield from (number, f"ge{number}", f"le{number}")
        if unit:
            yield f"{number}||{escaped(unit)}"
        if "system" in value and "code" in value:
            yield f"{number}|{escaped(value['system'])}|{escaped(value['code'])}"


def date(value: Any) -> Iterator[str]:
    if isinstance(value, str) and re.match(r"\d{4}", value):
        yield from (value, f"ge{value}", f"le{value}", f"ap{value}")
    elif isinstance(value, dict):
        yield from (f"ge{value[part]}" for part in ("start",) if part in value)
        yield from (f"le{value[part]}" for part in ("end",) if part in value)
        yield from (text for event in value.get("event", ()) for text in date(event))


def reference(value: Any) -> Iterator[str]:
    reference = value.get("reference", "#") if isinstance(value, dict) else "#"
    if not reference.startswith("#"):
        yield from (reference, reference.rpartition("/")[2])


def any_of(value: Any) -> Iterator[str]:
    """A value of a composite, which its form tells."""
    if isinstance(value, dict):
        each = token if {"coding", "text"} & value.keys() else quantity if "value" in value else date
        yield from each(value)
    elif isinstance(value, str):
        yield from date(value) if re.match(r"\d{4}-", value) else string(value)


WRITTEN: dict[str, Callable[[Any], Iterator[str]]] = {
    "token": token,
    "string": string,
    "quantity": quantity,
    "date": date,
    "reference": reference,
    "uri": lambda value: iter([value] if isinstance(value, str) else []),
}
