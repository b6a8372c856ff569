"""Claims (837) and remittances (835) out of transaction sets: one record for each, with all it hangs on.

A record is a JSON object of loops by the names the implementation guides give them (`L2010BA`) and of
segments; one that stands once is an object, else a list. What only numbers its like is spread out: each code
of an HI and each adjustment of a CAS is a segment of its own. https://x12.org/products/technical-reports
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from exchange.formats.x12 import Segment, Transaction, is_name

Loop = dict[str, Any]

_LEVELS = {"20": "L2000A", "22": "L2000B", "23": "L2000C"}
_PARTIES = {
    "41": "L1000A", "40": "L1000B", "85": "L2010AA", "87": "L2010AB", "PE": "L2010AC",
    "IL": "L2010BA", "PR": "L2010BB", "QC": "L2010CA",
}  # fmt: skip
"""Loops of an NM1 outside of claims, by NM101."""
_WITHIN = {"L2300": "L2310", "L2320": "L2330", "L2400": "L2420"}
"""Loops of an NM1 within a claim: its letter differs between the guides, NM101 says the same."""
_OPENERS = {"SBR": ("L2300", "L2320"), "LX": ("L2300", "L2400")}
_LINE_OPENERS = {"LIN": "L2410", "SVD": "L2430", "LQ": "L2440"}
_GUIDES = {
    "X222": "837P", "X223": "837I", "X224": "837D", "X098": "837P", "X096": "837I", "X097": "837D",
    "X221": "835", "X091": "835",
}  # fmt: skip


@dataclass(slots=True)
class Claim:
    """A claim's loops, its segments as sent, where it begins, and why it is no record (`` if it is)."""

    body: Loop
    text: list[str]
    number: int
    problem: str = ""
    expression: str = ""


def claims(transaction: Transaction) -> Iterator[Claim]:
    """Every claim of an 837 or 835; another transaction set, or a broken one, is one Claim with a problem."""
    kind = _kind(transaction)
    if transaction.problem or not kind:
        name = transaction.envelope[-1].elements.get("ST01", "") if transaction.envelope else ""
        detail = (
            transaction.problem or f"transaction set {name if name.isdigit() else 'of ST01'} is not mapped"
        )
        yield _whole(transaction, detail, "" if transaction.problem else "ST01")
        return
    header: Loop = {"transaction": kind}
    for segment in transaction.envelope:
        _put(header, segment.name, segment.elements)
    reader = _Remittance(header) if kind == "835" else _Claims(header)
    for segment in transaction.segments:
        reader.take(segment)
    if not reader.found:
        yield _whole(transaction, "the transaction set holds no claim", "CLP" if kind == "835" else "CLM")
    for claim in reader.found:
        claim.body = {**header, **claim.body}
        yield claim


def _kind(transaction: Transaction) -> str:
    """The guide by the version in ST03 or GS08; `` for what is neither claim nor remittance."""
    found = {name: value for segment in transaction.envelope for name, value in segment.elements.items()}
    if found.get("ST01") not in ("837", "835"):
        return ""
    version = found.get("ST03") or found.get("GS08", "")
    guide = next((kind for part, kind in _GUIDES.items() if part in version), "")
    return guide if guide.startswith(found["ST01"]) else "835" if found["ST01"] == "835" else "837P"


def _whole(transaction: Transaction, detail: str, expression: str) -> Claim:
    segments = [*transaction.envelope[2:], *transaction.segments]
    return Claim({}, [s.text for s in segments], segments[0].number if segments else 1, detail, expression)


def _put(loop: Loop, name: str, value: Any) -> None:
    """Adds a segment or loop: alone an object, with others a list."""
    if name not in loop:
        loop[name] = value
    elif isinstance(loop[name], list):
        loop[name].append(value)
    else:
        loop[name] = [loop[name], value]


def _put_segment(loop: Loop, segment: Segment) -> None:
    for elements in _spread(segment):
        _put(loop, segment.name, elements)


def _spread(segment: Segment) -> list[dict[str, str]]:
    """Repeated codes of an HI and adjustments of a CAS each by itself, under the names of the first."""
    if segment.name == "HI":
        numbers = sorted({name[2:4] for name in segment.elements})
        return [
            {f"HI01{name[4:]}": value for name, value in segment.elements.items() if name[2:4] == number}
            for number in numbers
        ]
    if segment.name == "CAS":
        group = {"CAS01": segment.elements.get("CAS01", "")}
        triples = [
            {f"CAS{n - at + 2:02}": segment.elements[f"CAS{n:02}"] for n in range(at, at + 3)
             if f"CAS{n:02}" in segment.elements}
            for at in range(2, 20, 3)
        ]  # fmt: skip
        return [{**group, **each} for each in triples if each] or [segment.elements]
    return [segment.elements]


@dataclass(slots=True)
class _Claims:
    """An 837 while it is read: `loop` is where segments go, `level` the loop whose NM1s come next."""

    header: Loop
    found: list[Claim] = field(default_factory=list)
    levels: dict[str, tuple[str, Loop, str]] = field(default_factory=dict)
    above: Loop = field(default_factory=dict)
    loop: Loop = field(default_factory=dict)
    level: str = ""
    place: Loop = field(default_factory=dict)
    problem: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.loop = self.place = self.header

    def take(self, segment: Segment) -> None:
        name = segment.name
        if name == "HL":
            self._hierarchy(segment)
        elif name == "CLM":
            self._claim(segment)
        else:
            self._open(segment)
        _put_segment(self.loop, segment)
        if self.level.startswith(("L23", "L24")):
            claim = self.found[-1]
            claim.text.append(segment.text)
            if not is_name(name):
                claim.problem = claim.problem or f"segment {segment.number} has no name a segment can have"
        elif not is_name(name):
            self.problem = (f"segment {segment.number} has no name a segment can have", "")

    def _hierarchy(self, segment: Segment) -> None:
        """HL: the loops above it are those of the parent it names, whatever stood between."""
        own, parent = (segment.elements.get(name, "") for name in ("HL01", "HL02"))
        level = _LEVELS.get(segment.elements.get("HL03", ""), "L2000")
        self.problem = ("", "")
        if level == "L2000A":
            self.above = {}
        elif parent in self.levels:
            self.above = self._path(parent)
        else:
            self.above, self.problem = {}, ("HL02 names no level above this one", "HL02")
        self.level, self.place = level, {}
        self.loop = self.place
        self.levels[own] = (level, self.place, parent)
        self.above = {**self.above, level: self.place}

    def _path(self, number: str) -> Loop:
        path: Loop = {}
        while number in self.levels and self.levels[number][0] not in path:
            level, loop, number = self.levels[number]
            path[level] = loop
        return path

    def _claim(self, segment: Segment) -> None:
        self.level, self.place = "L2300", {}
        self.loop = self.place
        detail, expression = self.problem
        claim = Claim({**self.above, "L2300": self.place}, [], segment.number, detail, expression)
        if not detail and not segment.elements.get("CLM01"):
            claim.problem, claim.expression = "a claim needs a number", "CLM01"
        elif not detail and not {"L2000A", "L2000B"} <= self.above.keys():
            claim.problem, claim.expression = (
                "the claim stands under no billing provider and subscriber",
                "HL",
            )
        self.found.append(claim)

    def _open(self, segment: Segment) -> None:
        """Segments that begin a loop within a level; all others stay where the last one went."""
        name = segment.name
        in_claim = self.level.startswith(("L23", "L24"))
        if name == "NM1":
            party = segment.elements.get("NM101", "")
            parent = self.place
            self.loop = {}
            _put(parent, _WITHIN.get(self.level) or _PARTIES.get(party, "L2010"), self.loop)
        elif in_claim and name in _OPENERS:
            self.level, self.place = _OPENERS[name][1], {}
            self.loop = self.place
            _put(self.found[-1].body["L2300"], self.level, self.place)
        elif self.level == "L2400" and name in _LINE_OPENERS:
            self.loop = {}
            _put(self.place, _LINE_OPENERS[name], self.loop)
        elif name == "HI":
            self.loop = self.place


@dataclass(slots=True)
class _Remittance:
    """An 835 while it is read."""

    header: Loop
    found: list[Claim] = field(default_factory=list)
    group: Loop = field(default_factory=dict)
    loop: Loop = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = self.header

    def take(self, segment: Segment) -> None:
        name = segment.name
        if name == "N1" and not self.found:
            self.loop = {}
            _put(self.header, "L1000B" if segment.elements.get("N101") == "PE" else "L1000A", self.loop)
        elif name == "LX":
            self.group = self.loop = {}
        elif name == "CLP":
            self._claim(segment)
        elif name == "SVC" and self.found:
            self.loop = {}
            _put(self.found[-1].body["L2100"], "L2110", self.loop)
        elif name == "PLB":
            self.loop = self.header
        _put_segment(self.loop, segment)
        if self.found and self.loop is not self.header:
            self.found[-1].text.append(segment.text)
            if not is_name(name):
                self.found[-1].problem = f"segment {segment.number} has no name a segment can have"

    def _claim(self, segment: Segment) -> None:
        self.loop = {}
        body = {"L2000": self.group, "L2100": self.loop} if self.group else {"L2100": self.loop}
        claim = Claim(body, [], segment.number)
        if not segment.elements.get("CLP01"):
            claim.problem, claim.expression = "a remittance names the claim", "CLP01"
        self.found.append(claim)
