"""What ships is measured on people it was not trained on, and what is trained comes from what was seen."""

import json

import pytest

from exchange.linkage.agreement import LEVELS
from exchange.linkage.thresholds import judge, quality_of
from tests.linkage.population import records, town


def measured(households, seed, normalise, model):
    truth, patients = zip(*records(town(households, seed), seed + 1), strict=True)
    population = [normalise(patient) for patient in patients]
    return quality_of(judge(population, truth, model), truth)


def test_the_model_that_ships_keeps_strangers_twins_and_households_apart(normalise, model):
    quality = measured(250, 20, normalise, model)

    assert quality.precision >= 0.999
    assert quality.recall >= 0.9
    assert quality.review_share <= 0.15


def test_every_weight_that_ships_points_the_right_way(model):
    for field, levels in LEVELS.items():
        assert model.weights[field][levels[0]] > 0 > model.weights[field]["different"]


@pytest.mark.slow
def test_training_learns_weights_from_a_population(files, normalise):
    train = pytest.importorskip("exchange.linkage.train").train
    people = records(town(150, 3), 4)
    lines = [{"features": normalise(patient).to_json(), "person": str(person)} for person, patient in people]

    content, quality = train(lines, files, "test")

    assert json.loads(files["_shared/identity/model.json"])["levels"] != content["levels"]
    assert quality.precision >= 0.99
    assert all(m > 0 and u > 0 for levels in content["levels"].values() for m, u in levels.values())
