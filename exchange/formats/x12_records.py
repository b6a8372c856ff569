"""A claim as a record: what makes it the same one, when it was written, its parts numbered."""

from __future__ import annotations

from typing import Any

from exchange.formats.x12_claims import Loop

_POINTED = ("BK", "ABK", "BF", "ABF")
"""Qualifiers of the diagnoses that lines point to by number (SV107)."""


def key(body: Loop) -> str:
    """What makes a claim the same one: kind, who sent it or the payment it is in, its number, whose it is."""
    if body["transaction"] == "835":
        parts = [_element(body, "TRN", "TRN02"), _element(body, "L2100", "CLP", "CLP01")]
        parts += [_element(body, "L2100", "CLP", name) for name in ("CLP07", "CLP02")]
        parts.append(_element(body, "L2100", "NM1", "NM109"))
    else:
        parts = [_element(body, "L2000A", "L2010AA", "NM1", "NM109"), _element(body, "L2300", "CLM", "CLM01")]
        parts.append(_element(body, "L2000B", "L2010BA", "NM1", "NM109"))
    return "|".join([body["transaction"], *parts])


def sent(body: Loop) -> str:
    """When it was written, as YYYYMMDD or YYYYMMDDHHMM; `` when nothing says so."""
    if body["transaction"] == "835":
        return _element(body, "BPR", "BPR16")
    return _element(body, "BHT", "BHT04") + _element(body, "BHT", "BHT05")[:4]


def _element(loop: Any, *path: str) -> str:
    for name in path:
        first = loop[0] if isinstance(loop, list) else loop
        loop = first.get(name, "") if isinstance(first, dict) else ""
    return loop if isinstance(loop, str) else ""


def number_parts(body: Loop) -> Loop:
    """The body with an `ordinal` in what FHIR numbers: diagnoses as lines point to them, notes after
    them (the claim's before those of its lines), parties, other coverages (the claim's own is 1), lines of
    remittances.
    """
    claim = body.get("L2300")
    if claim is None:
        remittance = body["L2100"]
        return {**body, "L2100": {**remittance, **_numbered(remittance, "L2110", 1)}}
    codes = _many(claim.get("HI"))
    pointed = [each for each in codes if each.get("HI01-1") in _POINTED]
    rest = [each for each in codes if each.get("HI01-1") not in _POINTED]
    ordered = {"HI": [*pointed, *rest]} if codes else {}
    numbers = {"HI": 1, "NTE": len(codes) + 1, "L2310": 1, "L2320": 2}
    parts = {**claim, **ordered}
    for name, first in numbers.items():
        parts |= _numbered(parts, name, first)
    following = numbers["NTE"] + len(_many(claim.get("NTE")))
    return {**body, "L2300": {**parts, **_numbered_notes(parts, following)}}


def _numbered_notes(claim: Loop, first: int) -> Loop:
    """The lines of a claim, their notes numbered from `first` on."""
    lines = []
    for line in _many(claim.get("L2400")):
        lines.append({**line, **_numbered(line, "NTE", first)})
        first += len(_many(line.get("NTE")))
    return {"L2400": lines} if lines else {}


def _numbered(loop: Loop, name: str, first: int) -> Loop:
    parts = _many(loop.get(name))
    return {name: [{**each, "ordinal": number} for number, each in enumerate(parts, first)]} if parts else {}


def _many(value: Any) -> list[Loop]:
    return [] if value is None else value if isinstance(value, list) else [value]
