"""Three ways to tell people apart: ours, a plain Splink run as its documentation begins, and rules alone."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

import duckdb
import pandas as pd
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_library as compared

from exchange.linkage import Edge, Features, Model, Quality, evaluate, features, partition
from exchange.linkage.thresholds import quality_of, verdicts

from .populations import Population

LINKED, DOUBTED = 0.99, 0.5
"""Probabilities from which on the plain Splink run links, and asks."""


def normalised(population: Population, model: Model) -> list[Features]:
    return [
        features(patient, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)
        for patient in population.patients
    ]


def ours(population: Population, model: Model) -> Quality:
    people = normalised(population, model)
    every = verdicts(people, population.truth, model)
    judged = [pair for pair in every if pair.match.grade != "certainly-not"]
    return quality_of(judged, people, population.truth, model)


def rules_only(population: Population, model: Model) -> Quality:
    """Same name and birth date; same social security number and surname; same telephone, given name and birth
    date."""
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, record in enumerate(normalised(population, model)):
        for rule in _rules(record):
            if all(rule):
                holders[rule].append(position)
    edges = [
        Edge(str(a), str(b), "model", 1.0)
        for same in holders.values()
        for a, b in pairwise(sorted(set(same)))
    ]
    found = partition(map(str, range(len(population.truth))), edges, {})
    return evaluate(found, {str(n): person for n, person in enumerate(population.truth)})


def _rules(record: Features) -> Iterator[tuple[str, ...]]:
    for name in record.names[:1]:
        given, surname = " ".join(name.given[:1]), " ".join(name.surname)
        yield ("name", given, surname, record.birth_date)
        yield ("ssn", record.ssn, surname)
        for phone in record.phones:
            yield ("phone", phone, given, record.birth_date)


def plain_splink(population: Population, model: Model) -> Quality:
    """Trained on the population itself without labels, as in Splink's own tutorial; no constraints."""
    rows = pd.DataFrame([_row(n, patient) for n, patient in enumerate(population.patients)])
    columns = [name for name in rows.columns if name != "unique_id" and rows[name].notna().mean() > 0.05]
    rows = rows[["unique_id", *columns]]
    connection = duckdb.connect()
    connection.register("rows", rows)
    connection.execute("CREATE TABLE population AS SELECT * FROM rows")
    linker = Linker(
        DuckDBAPI(connection).register("population"),
        SettingsCreator(
            link_type="dedupe_only",
            comparisons=[_COMPARISONS[name]() for name in columns if name in _COMPARISONS],
            blocking_rules_to_generate_predictions=[
                block_on(*rule) for rule in _BLOCKS if set(rule) <= set(columns)
            ],
            retain_matching_columns=False,
        ),
        log_level=logging.ERROR,
    )
    linker.training.estimate_probability_two_random_records_match(
        [block_on("first_name", "surname", "dob")], recall=0.7
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=1)
    for rule in (("dob",), ("first_name", "surname")):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
    scored = linker.inference.predict(threshold_match_probability=DOUBTED)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        scored, threshold_match_probability=LINKED
    )
    found = {
        str(row.unique_id): str(row.cluster_id)
        for row in clusters.as_pandas_dataframe().itertuples(index=False)
    }
    pairs = [
        (str(row.unique_id_l), str(row.unique_id_r))
        for row in scored.as_pandas_dataframe().itertuples(index=False)
    ]
    review = [(a, b) for a, b in pairs if found[a] != found[b]]
    return evaluate(found, {str(n): person for n, person in enumerate(population.truth)}, review)


_COMPARISONS = {
    "first_name": lambda: compared.NameComparison("first_name"),
    "surname": lambda: compared.NameComparison("surname"),
    "dob": lambda: compared.DateOfBirthComparison("dob", input_is_string=True),
    "sex": lambda: compared.ExactMatch("sex"),
    "phone": lambda: compared.ExactMatch("phone"),
    "email": lambda: compared.EmailComparison("email"),
    "line": lambda: compared.JaroWinklerAtThresholds("line"),
    "ssn": lambda: compared.LevenshteinAtThresholds("ssn", 1),
}
_BLOCKS = (
    ("first_name", "surname"),
    ("surname", "dob"),
    ("first_name", "dob"),
    ("phone",),
    ("email",),
    ("ssn",),
)


def _row(number: int, patient: dict[str, Any]) -> dict[str, Any]:
    """As a partner wrote it, lower case; empty is absent."""
    name = (patient.get("name") or [{}])[0]
    telecom = {part.get("system"): part.get("value") for part in patient.get("telecom") or ()}
    address = (patient.get("address") or [{}])[0]
    ssn = [i.get("value") for i in patient.get("identifier") or () if "ssn" in str(i.get("system"))]
    ssn += [i.get("value") for i in patient.get("identifier") or () if "soc_sec" in str(i.get("system"))]
    values = {
        "first_name": " ".join(name.get("given") or ()),
        "surname": name.get("family"),
        "dob": patient.get("birthDate"),
        "sex": patient.get("gender"),
        "phone": telecom.get("phone"),
        "email": telecom.get("email"),
        "line": " ".join(address.get("line") or ()),
        "ssn": ssn[0] if ssn else None,
    }
    return {"unique_id": number, **{k: (v.lower().strip() or None) if v else None for k, v in values.items()}}
