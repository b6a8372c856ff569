"""Everybody linked at once by Splink's backends is who everybody is batch by batch."""

from __future__ import annotations

import pytest

from exchange.linkage.thresholds import found_persons, judge
from tests.linkage.population import records, town

whole = pytest.importorskip("exchange.linkage.whole")


@pytest.fixture(scope="module")
def people(normalise):
    """Also two charts under one number that the weights alone would never bring together."""
    told = [normalise(patient) for _, patient in records(town(60, 11), 12)]
    number = [{"system": "https://hospital.example/mrn", "value": "77"}]
    married = [{"given": ["Ana"], "family": name} for name in ("Ruiz", "Whitcombe")]
    told += [normalise({"name": [name], "identifier": number}) for name in married]
    return {f"{place:05}": record for place, record in enumerate(told)}


@pytest.fixture(scope="module")
def expected(people, model):
    population = list(people.values())
    names = list(people)
    found = found_persons(judge(population, names, model), population, model)
    groups = {}
    for place, name in enumerate(names):
        groups.setdefault(found[str(place)], []).append(name)
    return sorted(map(sorted, groups.values()))


def groups_of(persons):
    groups = {}
    for name, person in persons.items():
        groups.setdefault(person, []).append(name)
    return sorted(map(sorted, groups.values()))


def test_duckdb_forms_the_persons_that_the_index_forms(people, model, expected):
    assert groups_of(whole.persons_of_all(people, model, "duckdb")) == expected
    assert len(expected) < 0.7 * len(people)


@pytest.mark.external
def test_spark_forms_the_persons_that_duckdb_forms(people, model, expected):
    spark = pytest.importorskip("pyspark.sql").SparkSession
    jar = pytest.importorskip("splink.backends.spark").similarity_jar_location()
    here = spark.builder.master("local[1]").config("spark.driver.bindAddress", "127.0.0.1")
    here = here.config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
    session = here.config("spark.jars", jar).config("spark.sql.shuffle.partitions", "4").getOrCreate()
    try:
        assert groups_of(whole.persons_of_all(people, model, "spark")) == expected
    finally:
        session.stop()
