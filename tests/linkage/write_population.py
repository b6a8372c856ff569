"""What the model learns from: the coalition and the town of one seed, as NDJSON of features and person.

`python -m tests.linkage.write_population population.ndjson --people 5000 --seed 7`, and for full names
`python -m tests.linkage.write_population names.ndjson --people 400000 --seed 7 --names`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from exchange.content import read_tree
from exchange.linkage import features, parse_vocabulary
from exchange.model.records import Files
from exchange.synthetic.people import people as synthetic_people
from tests.linkage.coalition import Coalition
from tests.linkage.population import records, town

MAPPINGS = Path(__file__).parents[2] / "mappings"


def patients(mappings: Files, people: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(who it truly is, Patient), of the coalition and of a smaller town."""
    coalition = Coalition(mappings, people, seed)
    for fhir_id in sorted(coalition.patients.keys() & coalition.persons.keys()):
        yield f"coalition {coalition.persons[fhir_id]}", coalition.patients[fhir_id]
    for person, patient in records(town(people // 6, seed), seed + 1):
        yield f"town {person}", patient


def called(people: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(who it truly is, Patient) with nothing but a name, of the coalition."""
    for person in synthetic_people(people, seed):
        name = {"given": [person.name.given], "family": " ".join(person.name.family)}
        yield f"coalition {person.number}", {"name": [name]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--names", action="store_true", help="names alone, to count full names by")
    options = parser.parse_args()
    mappings = read_tree(MAPPINGS)
    vocabulary = parse_vocabulary(mappings)
    with options.file.open("wb") as lines:
        people = (
            called(options.people, options.seed)
            if options.names
            else patients(mappings, options.people, options.seed)
        )
        for person, patient in people:
            known = features(patient, lambda text: sha256(text.encode()).hexdigest(), vocabulary)
            lines.write(orjson.dumps({"features": known.to_json(), "person": person}) + b"\n")


if __name__ == "__main__":
    main()
