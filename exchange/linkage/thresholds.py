"""Thresholds chosen from what was measured: judged pairs of a population whose truth is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from exchange.linkage.blocking import blocking_keys
from exchange.linkage.cluster import Edge, authority_of, contradicting, partition
from exchange.linkage.compare import Match, compare
from exchange.linkage.constraints import never_certain
from exchange.linkage.evaluate import Quality, evaluate
from exchange.linkage.features import Features
from exchange.linkage.model import Model, Thresholds

CERTAIN_PRECISION = 0.9999
PROBABLE_PRECISION = 0.9995
REVIEW_PRECISION = 0.6
"""Least share of true pairs among those that a grade would hold."""

LEAST_CERTAIN, LEAST_PROBABLE, LEAST_POSSIBLE = 0.9999, 0.99, 0.5
"""However well a sample went, no grade is given below these."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair of positions in a population, what the model says of it, and the truth."""

    a: int
    b: int
    match: Match
    same: bool


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
        yield Judged(a, b, compare(population[a], population[b], model), persons[a] == persons[b])


def found_persons(judged: Sequence[Judged], population: Sequence[Features], model: Model) -> dict[str, str]:
    """The person of each position: what the links among these pairs make of them."""
    edges = [
        Edge(
            _name(pair.a),
            _name(pair.b),
            authority_of(pair.match.basis),
            pair.match.probability,
            pair.match.grade == "certain",
        )
        for pair in judged
        if pair.match.links
    ]
    records = {_name(position): record for position, record in enumerate(population)}
    apart = contradicting(records, [(edge.a, edge.b) for edge in edges], model)
    return partition(records, edges, dict.fromkeys(apart, "model"))


def quality_of(
    judged: Sequence[Judged], population: Sequence[Features], persons: Sequence[Hashable], model: Model
) -> Quality:
    """Of the persons found, and of the doubts that wait between two persons."""
    found = found_persons(judged, population, model)
    truth = {_name(position): person for position, person in enumerate(persons)}
    waiting = [pair for pair in judged if pair.match.grade not in ("certain", "certainly-not")]
    review = [
        (_name(pair.a), _name(pair.b)) for pair in waiting if found[_name(pair.a)] != found[_name(pair.b)]
    ]
    return evaluate(found, truth, review)


def _name(position: int) -> str:
    return str(position)


def choose_thresholds(judged: Sequence[Judged]) -> Thresholds:
    """The lowest probabilities from which on the pairs are true as often as each grade promises."""
    weighed = [pair for pair in judged if pair.match.basis != "same-mrn" and not _impossible(pair.match)]
    free = sorted((pair for pair in weighed if not pair.match.rule), key=_probability, reverse=True)
    probable = max(LEAST_PROBABLE, _lowest(free, PROBABLE_PRECISION))
    firm = [pair for pair in free if not never_certain(_levels(pair.match))]
    certain = max(LEAST_CERTAIN, probable, _lowest(firm, CERTAIN_PRECISION))
    waiting = [pair for pair in weighed if pair.match.rule or pair.match.probability < probable]
    possible = max(LEAST_POSSIBLE, _lowest(sorted(waiting, key=_probability, reverse=True), REVIEW_PRECISION))
    return Thresholds(certain, probable, min(possible, probable))


def _levels(match: Match) -> dict[str, str]:
    return {part.field: part.level for part in match.evidence}


def _impossible(match: Match) -> bool:
    return match.grade == "certainly-not" and bool(match.rule)


def _probability(pair: Judged) -> float:
    return pair.match.probability


def _lowest(ordered: Sequence[Judged], precision: float) -> float:
    """Between the last pair that still keeps the promise and the next; 1 when none does.

    A single wrong pair is chance: a sample of this size cannot tell it from the promise.
    """
    right = lowest = 0
    for count, pair in enumerate(ordered, start=1):
        right += pair.same
        if right + 1 >= precision * count:
            lowest = count
    if lowest == 0:
        return 1.0
    following = ordered[min(lowest, len(ordered) - 1)]
    return (_probability(ordered[lowest - 1]) + _probability(following)) / 2
