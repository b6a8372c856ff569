"""How well and how fast people are told apart, beside a matcher of one rule: same name, same birth date.

`python benchmarks/identity.py [people]`; the people come from other seeds than those the model learned from.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg

from exchange.content import read_tree
from exchange.linkage import (
    Features,
    Model,
    Quality,
    duplicate_key,
    evaluate,
    features,
    parse_duplicates,
    parse_model,
)
from exchange.linkage.thresholds import judge, quality_of
from exchange.model.records import Files
from exchange.repository import ensure_running, migrate, stop
from exchange.repository.identity.links import IncomingPatient, link_patients
from tests.linkage.coalition import Coalition
from tests.linkage.population import records, town

MAPPINGS = Path(__file__).parents[1] / "mappings"
SEED = 20261123
HEADER = f"{'':<34}{'precision':>10}{'recall':>9}{'in review':>11}{'true there':>11}{'records':>9}"


def normalised(patient: dict, model: Model) -> Features:
    return features(patient, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)


def say(name: str, found: Quality) -> None:
    print(
        f"{name:<34}{found.precision:>10.4%}{found.recall:>9.2%}{found.review_share:>11.2%}"
        f"{found.review_precision:>11.1%}{found.records:>9,}"
    )


def by_one_rule(population: list[Features], persons: list[str]) -> Quality:
    """The baseline: exactly the same first given name, surname and birth date."""
    found = {}
    for position, record in enumerate(population):
        name = record.names[0] if record.names else None
        known = name and name.given and name.surname and record.birth_date
        found[position] = (name.given[0], name.surname, record.birth_date) if known else position
    return evaluate(found, dict(enumerate(persons)))


def quality(name: str, population: list[Features], persons: list[str], model: Model) -> None:
    say(f"{name}: model", quality_of(judge(population, persons, model), population, persons, model))
    say(f"{name}: same name and birth date", by_one_rule(population, persons))


def facts(coalition: Coalition, mappings: Files) -> None:
    """Facts that two partners sent, found by their keys among the records of one person."""
    rules, groups = parse_duplicates(mappings), defaultdict(list)
    for reference, resource in coalition.facts.items():
        about = resource.get("subject") or resource.get("patient") or {}
        person = coalition.persons.get(about.get("reference", "").removeprefix("Patient/"))
        key = duplicate_key(resource, rules)
        if key and person:
            groups[person, key].append(reference.partition("/")[2])
    found = {
        pair
        for group in groups.values()
        for pair in combinations(sorted(group), 2)
        if coalition.partners[pair[0]].code != coalition.partners[pair[1]].code
    }
    truth = {tuple(sorted(pair)) for pair in coalition.duplicates}
    right = len(found & truth)
    print(
        f"{'duplicate facts':<34}{right / len(found):>10.2%}{right / len(truth):>9.2%}{len(truth):>31,} pairs"
    )


def speed(population: list[Features], model: Model) -> None:
    """A batch of 1,000 against everybody else, in a database of its own."""
    incoming = [
        IncomingPatient(str(uuid5(NAMESPACE_URL, str(number))), "lakeside_hospital", record)
        for number, record in enumerate(population)
    ]
    at = datetime(2026, 11, 23, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        url = ensure_running(Path(folder))
        migrate(url)
        with psycopg.connect(url) as connection:
            link_patients(connection, incoming[1000:], [], model, at)
            connection.execute("ANALYZE")
            started = time.perf_counter()
            link_patients(connection, incoming[:1000], [], model, at)
            print(f"1,000 against {len(incoming) - 1000:,}: {time.perf_counter() - started:.2f} s")
        stop(Path(folder))


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    mappings = read_tree(MAPPINGS)
    model = parse_model(mappings)
    coalition = Coalition(mappings, size, SEED)
    known = [fhir_id for fhir_id in coalition.patients if fhir_id in coalition.persons]
    print(HEADER)
    people = [normalised(coalition.patients[fhir_id], model) for fhir_id in known]
    quality("coalition", people, [coalition.persons[fhir_id] for fhir_id in known], model)
    truth, patients = zip(*records(town(size // 3, SEED), SEED), strict=True)
    townsfolk = [normalised(patient, model) for patient in patients]
    quality("town", townsfolk, list(map(str, truth)), model)
    facts(coalition, mappings)
    started = time.perf_counter()
    pairs = len(judge(people, known, model))
    print(f"candidate pairs judged: {pairs / (time.perf_counter() - started):,.0f} /s, blocking included")
    speed([*people, *townsfolk], model)


if __name__ == "__main__":
    main()
