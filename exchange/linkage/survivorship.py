"""Why the golden Patient says what it says: for each value who sends it, who says otherwise, and the rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from exchange.linkage.golden import compose
from exchange.model.records import Resource

_SINGLE = (
    "gender", "birthDate", "maritalStatus", "deceasedDateTime", "deceasedBoolean", "multipleBirthInteger",
    "multipleBirthBoolean",
)  # fmt: skip
_UNITED = ("identifier", "name", "telecom", "address", "communication", "contact")

ALONE = "no partner says otherwise"
MOST = "more partners say this than anything else"
FULLER = "as many partners say another, which says less"
FIRST = "as many partners say another, as complete: the first in order, so that nothing changes with time"
KNOWN = "what is known goes before “unknown”"
DEATH = "a death told by one partner counts"
UNITED = "every value is kept; of one value written in two ways the one that says more"
CLOSED = "only records that are closed have it: marked as old"


@dataclass(frozen=True, slots=True)
class Survivor:
    """`value` as the golden Patient has it; `others` are (value, partners) it was chosen from."""

    element: str
    value: Any
    partners: tuple[str, ...]
    reason: str
    others: tuple[tuple[Any, tuple[str, ...]], ...] = ()


def survivors(contributions: Sequence[tuple[str, Resource]]) -> list[Survivor]:
    """Of (partner, Patient) as `compose` takes them; no order of contributions changes it."""
    golden = compose(contributions)
    current = [entry for entry in contributions if entry[1].get("active", True)] or list(contributions)
    return [
        *(_single(golden, current, element) for element in _SINGLE if element in golden),
        *(
            _united(value, contributions, current, element)
            for element in _UNITED
            for value in golden.get(element, ())
        ),
    ]


def _single(golden: Resource, current: Sequence[tuple[str, Resource]], element: str) -> Survivor:
    said: dict[str, set[str]] = {}
    for partner, patient in current:
        if element in patient:
            said.setdefault(_text(patient[element]), set()).add(partner)
    value = golden[element]
    chosen = next((text for text in said if _same(orjson.loads(text), value)), _text(value))
    others = sorted((text, tuple(sorted(by))) for text, by in said.items() if text != chosen)
    known = [(text, by) for text, by in others if text != '"unknown"']
    return Survivor(
        element,
        orjson.loads(chosen),
        tuple(sorted(said.get(chosen, ()))),
        _reason(element, chosen, len(said.get(chosen, ())), known, unknown=len(known) < len(others)),
        tuple((orjson.loads(text), by) for text, by in others),
    )


def _reason(
    element: str, chosen: str, votes: int, others: list[tuple[str, tuple[str, ...]]], unknown: bool
) -> str:
    if element == "deceasedBoolean" and others:
        return DEATH
    if not others:
        return KNOWN if unknown else ALONE
    rivals = [text for text, by in others if len(by) >= votes]
    if not rivals:
        return MOST
    return FIRST if any(len(text) >= len(chosen) for text in rivals) else FULLER


def _united(
    value: Any, every: Sequence[tuple[str, Resource]], current: Sequence[tuple[str, Resource]], element: str
) -> Survivor:
    speaking = every if element == "identifier" else current
    partners = {
        partner
        for partner, patient in speaking
        if any(_means(own, value, element) for own in patient.get(element, ()))
    }
    among_current = {partner for partner, patient in current if patient.get(element)}
    closed = element == "identifier" and value.get("use") == "old" and not partners & among_current
    return Survivor(element, value, tuple(sorted(partners)), CLOSED if closed else UNITED)


def _means(own: Any, value: Any, element: str) -> bool:
    """Whether the two are written as one by the union: composed alone they give a single value."""
    one = {"resourceType": "Patient", element: [own, value]}
    return len(compose([("", one)]).get(element, ())) == 1


def _same(said: Any, golden: Any) -> bool:
    """The golden value carries what others say in extensions of its own."""
    if isinstance(said, dict) and isinstance(golden, dict):
        return {**golden, "extension": None} == {**said, "extension": None}
    return bool(said == golden)


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
