"""What ships is measured on people it was not trained on, and what is trained comes from what was seen."""

import json
from math import log2
from pathlib import Path

import pytest

from exchange.content import read_tree
from exchange.linkage import compare, parse_duplicates, parse_model
from exchange.linkage.agreement import LEVELS
from exchange.linkage.compare import Match
from exchange.linkage.resize import resized
from exchange.linkage.thresholds import (
    NEVER,
    Judged,
    candidate_pairs,
    choose_thresholds,
    judge,
    proven,
    quality_of,
)
from tests.linkage.coalition import Coalition
from tests.linkage.population import records, town

MAPPINGS = Path(__file__).parents[2] / "mappings"


def measured(households, seed, normalise, model):
    truth, patients = zip(*records(town(households, seed), seed + 1), strict=True)
    population = [normalise(patient) for patient in patients]
    return quality_of(judge(population, truth, model), population, truth, model)


def test_the_model_that_ships_keeps_strangers_twins_and_households_apart(normalise, model):
    quality = measured(250, 20, normalise, model)

    assert quality.precision >= 0.999
    assert quality.recall >= 0.9
    assert quality.review_share <= 0.15


def test_a_verdict_does_not_depend_on_which_record_comes_first(normalise, model):
    population = [normalise(patient) for _, patient in records(town(120, 6), 7)]
    pairs = [(population[a], population[b]) for a, b in candidate_pairs(population)]

    assert len(pairs) > 500
    assert all(compare(a, b, model) == compare(b, a, model) for a, b in pairs)


def test_the_coalition_is_told_apart_and_its_facts_are_found_twice(files, normalise, model):
    coalition = Coalition(read_tree(MAPPINGS), 200, 3)
    known = [fhir_id for fhir_id in coalition.patients if fhir_id in coalition.persons]
    truth = [coalition.persons[fhir_id] for fhir_id in known]
    population = [normalise(coalition.patients[fhir_id]) for fhir_id in known]
    quality = quality_of(judge(population, truth, model), population, truth, model)

    assert quality.precision >= 0.9995
    assert quality.recall >= 0.945, "0.964 of 2,000 people; so few cannot tell more exactly"
    assert quality.review_share <= 0.05
    assert quality.review_precision >= 0.6

    found, true = coalition.fact_pairs(parse_duplicates(files))
    assert len(true) > 100
    assert len(found & true) >= 0.95 * len(true)
    assert len(found - true) <= max(1, 0.001 * len(found)), (
        "at most a pair, which 0.999 cannot tell so few by"
    )


def test_every_weight_that_ships_points_the_right_way(model):
    for field, levels in LEVELS.items():
        assert model.weights[field][levels[0]] > 0 > model.weights[field]["different"]


@pytest.mark.slow
def test_training_learns_weights_from_a_population(files, normalise):
    train = pytest.importorskip("exchange.linkage.train").train
    people = records(town(150, 3), 4)
    lines = [{"features": normalise(patient).to_json(), "person": str(person)} for person, patient in people]

    content, quality = train(lines, files, "test", "a town")

    assert json.loads(files["_shared/identity/model.json"])["levels"] != content["levels"]
    assert quality.precision >= 0.99
    assert all(m > 0 and u > 0 for levels in content["levels"].values() for m, u in levels.values())


def test_a_model_is_set_to_the_size_of_an_index(files, model):
    """Of a larger one it asks for more evidence; of a smaller one for less, but not to be certain."""
    path = "_shared/identity/model.json"
    content = json.loads(files[path])

    def sized(records):
        return parse_model({**files, path: json.dumps(resized(content, records))})

    def bits(known, grade):
        least = getattr(known.thresholds, grade)
        return log2(least / (1 - least)) - log2(known.prior / (1 - known.prior))

    large, small = sized(2_000_000), sized(10_000)
    assert (large.version, large.thresholds) == (f"{model.version}+2000000", model.thresholds)
    assert bits(large, "certain") == pytest.approx(bits(model, "certain") + 2, abs=1e-3)
    assert bits(small, "certain") == pytest.approx(bits(model, "certain"), abs=1e-3)
    assert bits(small, "probable") == pytest.approx(bits(model, "probable") - log2(50), abs=1e-3)
    assert sized(1).prior < 0.5


def pairs(probability, right, wrong=0, firm=True):
    match = Match("certain", probability, "model:1", "", ())
    return [Judged(0, 1, match, n < right, firm) for n in range(right + wrong)]


def test_a_grade_is_given_only_where_its_promise_is_proven():
    """0.9999 with 95 % confidence, shared by four steps, takes 43,819 right pairs without a wrong one."""
    assert choose_thresholds(pairs(0.99995, 43_818)).certain == NEVER
    assert choose_thresholds(pairs(0.99995, 43_819)).certain == 0.9999
    assert choose_thresholds(pairs(0.99995, 43_819, wrong=1)).certain == NEVER


def test_wrong_pairs_raise_the_step_and_those_never_certain_prove_nothing():
    judged = pairs(0.99995, 20_000, wrong=9) + pairs(0.999995, 50_000)
    chosen = choose_thresholds(judged)
    assert (chosen.certain, chosen.probable) == (0.99999, 0.99)
    assert choose_thresholds(pairs(0.999995, 50_000, firm=False)).certain == NEVER


def test_what_was_measured_of_the_model_that_ships_is_proof(model):
    """A town of 60,000 people: pairs from the threshold on, and the wrong ones (docs/identity.md)."""
    assert (model.thresholds.certain, model.thresholds.probable) == (0.9999, 0.99)
    assert proven(3, 122_524, 0.9999, 0.05 / 4)
    assert proven(7, 138_981, 0.9995, 0.05 / 4)
