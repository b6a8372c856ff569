"""Thresholds chosen from what was measured: judged pairs of a population whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, lgamma, log, log1p

from exchange.linkage.blocking import blocking_keys
from exchange.linkage.cluster import contradicting, edge_found, partition
from exchange.linkage.compare import Match, compare
from exchange.linkage.constraints import never_certain
from exchange.linkage.evaluate import Quality, evaluate
from exchange.linkage.features import Features
from exchange.linkage.model import Model, Thresholds

CERTAIN_PRECISION = 0.9999
PROBABLE_PRECISION = 0.9995
REVIEW_PRECISION = 0.6
"""Least share of true pairs among those that a grade would hold."""

CERTAIN_STEPS = (0.9999, 0.99999, 0.999999, 0.9999999)
PROBABLE_STEPS = (0.99, 0.999, 0.9999, 0.99999)
POSSIBLE_STEPS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The probabilities a grade may begin with; however well a sample went, none begins lower."""

NEVER = 2.0
"""What no probability reaches: the grade is not given."""

ERROR = 0.05
"""The chance, over all steps of a grade, that its promise is taken for kept and is not."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair of positions in a population, what the model says of it, the truth; may it be certain at all."""

    a: int
    b: int
    match: Match
    same: bool
    firm: bool = True


def candidate_pairs(population: Sequence[Features]) -> Iterator[tuple[int, int]]:
    """Positions of records that share a blocking key, each pair once, in order."""
    blocks: dict[int, list[int]] = defaultdict(list)
    for position, record in enumerate(population):
        for key in blocking_keys(record):
            blocks[key].append(position)
    yield from sorted({pair for block in blocks.values() for pair in combinations(block, 2)})


def judge(population: Sequence[Features], persons: Sequence[Hashable], model: Model) -> list[Judged]:
    """Every candidate pair with its verdict."""
    return list(verdicts(population, persons, model))


def verdicts(population: Sequence[Features], persons: Sequence[Hashable], model: Model) -> Iterator[Judged]:
    """As `judge`, one at a time: those of a large population would fill the memory."""
    for a, b in candidate_pairs(population):
        match = compare(population[a], population[b], model)
        firm = not never_certain(population[a], population[b], _levels(match))
        yield Judged(a, b, match, persons[a] == persons[b], firm)


def found_persons(judged: Sequence[Judged], population: Sequence[Features], model: Model) -> dict[str, str]:
    """The person of each position: what the links among these pairs make of them."""
    records = {_name(position): record for position, record in enumerate(population)}
    edges = [
        edge_found(_name(pair.a), _name(pair.b), pair.match, records)
        for pair in judged
        if pair.match.links_in_index
    ]
    apart = contradicting(records, [(edge.a, edge.b) for edge in edges], model)
    return partition(records, edges, dict.fromkeys(apart, "model"))


def quality_of(
    judged: Sequence[Judged], population: Sequence[Features], persons: Sequence[Hashable], model: Model
) -> Quality:
    """Of the persons found, and of the doubts that wait: of any two persons the likeliest pair of records."""
    found = found_persons(judged, population, model)
    truth = {_name(position): person for position, person in enumerate(persons)}
    waiting = [pair for pair in judged if pair.match.grade_in_index not in ("certain", "certainly-not")]
    review: dict[frozenset[str], tuple[str, str]] = {}
    for pair in sorted(waiting, key=lambda pair: -pair.match.probability):
        persons_of = frozenset((found[_name(pair.a)], found[_name(pair.b)]))
        if len(persons_of) == 2:
            review.setdefault(persons_of, (_name(pair.a), _name(pair.b)))
    return evaluate(found, truth, review.values())


def _name(position: int) -> str:
    return str(position)


def choose_thresholds(judged: Sequence[Judged]) -> Thresholds:
    """The lowest steps from which on it is proven that pairs are true as often as each grade promises.

    Proven: were the promise broken, so few wrong pairs among so many would be seen with a chance of less
    than `ERROR`, shared by the steps that are tried. A population too small for a proof gives no grade.
    """
    weighed = [pair for pair in judged if pair.match.basis != "same-mrn" and not _impossible(pair.match)]
    free = [pair for pair in weighed if not pair.match.rule]
    probable = _lowest(free, PROBABLE_STEPS, PROBABLE_PRECISION)
    certain = _lowest([pair for pair in free if pair.firm], CERTAIN_STEPS, CERTAIN_PRECISION)
    waiting = [pair for pair in weighed if pair.match.rule or pair.match.probability < probable]
    possible = next((step for step in POSSIBLE_STEPS if _share(waiting, step) >= REVIEW_PRECISION), NEVER)
    return Thresholds(max(certain, probable), probable, min(possible, probable))


def _levels(match: Match) -> dict[str, str]:
    return {part.field: part.level for part in match.evidence}


def _impossible(match: Match) -> bool:
    return match.grade == "certainly-not" and bool(match.rule)


def _lowest(pairs: Sequence[Judged], steps: Sequence[float], precision: float) -> float:
    for step in steps:
        above = [pair.same for pair in pairs if pair.match.probability >= step]
        if proven(above.count(False), len(above), precision, ERROR / len(steps)):
            return step
    return NEVER


def _share(pairs: Sequence[Judged], step: float) -> float:
    """Of true pairs from this step on; a queue that is wrong wastes time only, and need not be proven."""
    above = [pair.same for pair in pairs if pair.match.probability >= step]
    return above.count(True) / len(above) if above else 1.0


def proven(wrong: int, pairs: int, precision: float, error: float) -> bool:
    """Whether the exact lower bound (Clopper and Pearson, https://doi.org/10.1093/biomet/26.4.404) of the
    share of true pairs is `precision` or more, with confidence 1 - `error`.

    >>> proven(0, 29_955, 0.9999, 0.05), proven(0, 29_956, 0.9999, 0.05), proven(1, 29_956, 0.9999, 0.05)
    (False, True, False)
    """
    rate = 1 - precision
    if wrong > rate * pairs:
        return False
    chance = sum(
        exp(_log_choose(pairs, k) + k * log(rate) + (pairs - k) * log1p(-rate)) for k in range(wrong + 1)
    )
    return chance <= error


def _log_choose(total: int, chosen: int) -> float:
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)
