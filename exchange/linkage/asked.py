"""A person asked for: how well somebody's records, taken together, answer a description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from exchange.linkage.compare import Match, compare
from exchange.linkage.features import Features
from exchange.linkage.model import Model, Thresholds

_BEST_FIRST = ("certain", "probable", "possible", "certainly-not")
Quality = Literal["best", "superior", "very-good", "good", ""]


def match_person(asked: Features, records: Sequence[Features], model: Model) -> Match:
    """The verdict on the record that fits best; at most possible when another record contradicts it.

    The order of the records changes nothing.
    """
    found = [compare(asked, record, model) for record in records]
    best = min(found, key=_place)
    if best.links and any(match.grade == "certainly-not" and match.rule for match in found):
        return Match("possible", best.probability, best.basis, "records-contradict", best.evidence)
    return best


def _place(match: Match) -> tuple[int, float, str]:
    return _BEST_FIRST.index(match.grade), -match.probability, repr(match)


def score(match: Match, thresholds: Thresholds) -> float:
    """Between 0 and 1, never above what a better grade would begin with.

    >>> limited = Match("possible", 1.0, "model:1", "twin", ())
    >>> score(limited, Thresholds(certain=0.9999, probable=0.99, possible=0.5))
    0.9899
    """
    ceiling = {"probable": thresholds.certain, "possible": thresholds.probable}
    if match.grade in ceiling:
        return round(min(match.probability, ceiling[match.grade] - 0.0001), 4)
    return round(match.probability, 4)


def published_quality(match: Match) -> Quality:
    """The class of the match by what agrees, as the Identity Matching guide names them; empty below `good`.

    https://build.fhir.org/ig/HL7/fhir-identity-matching-ig/patient-matching.html
    """
    levels = {part.field: part.level for part in match.evidence}
    name = levels.get("given") in ("exact", "form") and levels.get("surname") in ("exact", "part")
    born = levels.get("birth_date") == "exact"
    if (levels.get("identifier") == "exact" and (name or born)) or (name and born and _is(levels, "ssn")):
        return "best"
    if name and born and (_is(levels, "address") or _is(levels, "email")):
        return "superior"
    sex = _is(levels, "sex")
    weak = levels.get("ssn") == "last4" or levels.get("address") in ("building", "area")
    if name and born and (_is(levels, "phone") or (sex and (weak or _is(levels, "middle")))):
        return "very-good"
    return "good" if name and born else ""


def _is(levels: Mapping[str, str], field: str) -> bool:
    return levels.get(field) == "exact"
