"""Two Patients line by line, as a match steward compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exchange.model.records import Resource

_PARTS: tuple[tuple[str, Callable[[Resource], Iterator[str]]], ...] = (
    ("name", lambda p: (_name(name) for name in p.get("name", ()))),
    ("born", lambda p: iter([p["birthDate"]] if "birthDate" in p else [])),
    ("died", lambda p: iter([str(p["deceasedDateTime"])] if "deceasedDateTime" in p else [])),
    ("gender", lambda p: iter([p["gender"]] if "gender" in p else [])),
    ("birth order", lambda p: iter([str(p["multipleBirthInteger"])] if "multipleBirthInteger" in p else [])),
    ("contact", lambda p: (t.get("value", "") for t in p.get("telecom", ()))),
    ("address", lambda p: (_address(address) for address in p.get("address", ()))),
    ("identifier", lambda p: (i.get("value", "") for i in p.get("identifier", ()))),
    ("source", lambda p: iter([p.get("meta", {}).get("source", "")])),
)


def lines_of(records: tuple[Resource | None, Resource | None]) -> list[list[str]]:
    """[part, first, second] for every part that one of them has; several values stand below each other.

    A part of which both say one value alike, whatever the case, spaces and signs, ends in ` =`.
    """
    rows = []
    for part, read in _PARTS:
        first, second = ([*filter(None, read(r))] if r else [] for r in records)
        if first or second:
            alike = set(map(_plain, first)) & set(map(_plain, second))
            rows.append([f"{part} =" if alike else part, "\n".join(first), "\n".join(second)])
    return rows


_ABROAD = 11  # digits of a number of North America with its country code, which is 1


def _plain(text: str) -> str:
    """
    >>> _plain("+1 (217) 555-8852") == _plain("2175558852")
    True
    """
    plain = "".join(filter(str.isalnum, text.casefold()))
    return plain[1:] if len(plain) == _ABROAD and plain.isdecimal() and plain[0] == "1" else plain


def _name(name: Resource) -> str:
    return " ".join([*name.get("given", ()), name.get("family", "")]) or name.get("text", "")


def _address(address: Resource) -> str:
    parts = [*address.get("line", ()), address.get("city", ""), address.get("postalCode", "")]
    return ", ".join(part for part in parts if part)
