"""Two records, one verdict: deterministic keys first, hard constraints, then Fellegi-Sunter weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2, log2
from typing import Literal

from exchange.linkage.agreement import Agreement, agree, shared_identifiers
from exchange.linkage.constraints import (
    SURE,
    apart,
    hardly_worth_asking,
    needs_certainty,
    needs_steward,
    never_certain,
    nothing_to_decide_by,
    unless_another,
    who_may_be_another,
)
from exchange.linkage.features import Features
from exchange.linkage.model import Model

MAY_BE_ANOTHER = "-may-be-another"
"""How the basis of a link ends that only an index makes, after `:a`, `:b` or `:both`: who is unclear."""

Grade = Literal["certain", "probable", "possible", "certainly-not"]
"""http://terminology.hl7.org/CodeSystem/match-grade"""

_LINKS = ("certain", "probable")
_CONTRADICTS = frozenset({"different", "distinct"})


@dataclass(frozen=True, slots=True)
class FieldEvidence:
    """What one field says, in bits and without its value; positive speaks for one person."""

    field: str
    level: str
    weight: float


@dataclass(frozen=True, slots=True)
class Match:
    """`basis` same-mrn | model:<version>; `rule` names the constraint that decided or limited the grade.

    `unless_another`: possible only because somebody else of that home may be meant.
    """

    grade: Grade
    probability: float
    basis: str
    rule: str
    evidence: tuple[FieldEvidence, ...]
    unless_another: bool = False

    @property
    def grade_in_index(self) -> Grade:
        """Where everybody else is known as well, and `cluster.partition` sees whom a link would also fit.

        A doubt about two who have nothing but their names in common is nobody's question: a steward sees no
        more than that. It comes back as soon as a record says more.
        """
        if self.unless_another:
            return "probable"
        levels = {part.field: part.level for part in self.evidence}
        asked = self.grade != "possible" or not nothing_to_decide_by(levels, self.rule)
        return self.grade if asked else "certainly-not"

    @property
    def links_in_index(self) -> bool:
        return self.grade_in_index in _LINKS

    @property
    def links(self) -> bool:
        return self.grade in _LINKS


def compare(a: Features, b: Features, model: Model) -> Match:
    """Symmetric, and a function of the two records and the model alone."""
    agreement = agree(a, b, model.known)
    evidence = tuple(
        FieldEvidence(field, level, round(model.weight(field, agreement), 3))
        for field, level in sorted(agreement.levels.items())
    )
    probability = _probability(model.prior, evidence)
    if "record" in shared_identifiers(a, b):
        return _same_record(agreement, probability, evidence)
    basis = f"model:{model.version}"
    if rule := apart(a, b, agreement.levels):
        return Match("certainly-not", probability, basis, rule, evidence)
    grade = _grade(probability, model)
    rule = needs_steward(a, b, agreement.levels)
    if grade == "probable" and not rule and probability < SURE:
        rule = needs_certainty(a, b, agreement.levels)
    likely = grade in ("certain", "probable")
    if rule and grade != "certainly-not":
        grade = "certainly-not" if hardly_worth_asking(agreement.levels) else "possible"
    if grade == "certain" and never_certain(a, b, agreement.levels):
        grade = "probable"
    alone = likely and bool(rule) and unless_another(a, b, agreement.levels, rule)
    return Match(grade, probability, basis, rule, evidence, alone)


def basis_in_index(match: Match, a: Features, b: Features) -> str:
    """`match.basis`; of a link that only an index makes also which of the two, in this order, is unclear."""
    if not match.unless_another:
        return match.basis
    return f"{match.basis}:{who_may_be_another(a, b, match.rule)}{MAY_BE_ANOTHER}"


def overlay_of(before: Features, now: Features, model: Model) -> Match | None:
    """What speaks against it that one record is still about the same person; None when nothing does."""
    if not before.names or not now.names:
        return None
    agreement = agree(before, now, model.known)
    if not _contradicts(agreement):
        return None
    match = compare(before, now, model)
    return Match("possible", match.probability, "same-record", "overlay", match.evidence)


def contradiction(a: Features, b: Features, model: Model) -> str:
    """The constraint that forbids the two to be one person, whatever links them in between; or nothing."""
    return apart(a, b, agree(a, b, model.known).levels)


def _probability(prior: float, evidence: tuple[FieldEvidence, ...]) -> float:
    bits = log2(prior / (1 - prior)) + sum(part.weight for part in evidence)
    return 1 / (1 + exp2(-max(-60.0, min(60.0, bits))))


def _grade(probability: float, model: Model) -> Grade:
    if probability >= model.thresholds.certain:
        return "certain"
    if probability >= model.thresholds.probable:
        return "probable"
    return "possible" if probability >= model.thresholds.possible else "certainly-not"


def _same_record(agreement: Agreement, probability: float, evidence: tuple[FieldEvidence, ...]) -> Match:
    """One number of one assigner is one person, unless everything else says that two were mixed up."""
    if _contradicts(agreement):
        return Match("possible", probability, "same-mrn", "overlay", evidence)
    return Match("certain", 1.0, "same-mrn", "", evidence)


def _contradicts(agreement: Agreement) -> bool:
    levels = agreement.levels
    return levels.get("birth_date") in _CONTRADICTS and levels.get("given") in _CONTRADICTS
