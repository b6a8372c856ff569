"""How well and how fast people are told apart, beside a plain Splink run and a matcher of rules alone.

`python benchmarks/identity.py [--size PEOPLE] [--people PEOPLE ...] [--town PEOPLE] [--index RECORDS]`; the
people come from other seeds than those the model learned from. `--size` people go through the partners' own
formats and the maps; `--people`, up to a million, are taken as the desks write them. FEBRL's and Splink's
sets are measured where they are found (benchmarks/linkage/populations.py). On a machine that does other work
the seconds of a core tell more than those of the clock.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.linkage.batch import speed
from benchmarks.linkage.matchers import ours, plain_splink, rules_only
from benchmarks.linkage.populations import Population, coalition, desks, published, townsfolk
from exchange.content import read_tree
from exchange.linkage import Model, Quality, parse_duplicates, parse_model
from exchange.linkage.model import MODEL_FILE
from exchange.linkage.resize import resized
from exchange.model.records import Files
from tests.linkage.coalition import Coalition

MAPPINGS = Path(__file__).parents[1] / "mappings"
SEED = 20261123
HEADER = (
    f"{'':<36}{'precision':>10}{'recall':>9}{'in review':>11}{'true there':>11}{'records':>11}{'seconds':>9}"
    f"{'of a core':>11}"
)
MATCHERS: dict[str, Callable[[Population, Model], Quality]] = {
    "exchange": ours,
    "plain Splink": plain_splink,
    "rules only": rules_only,
}


def measure(population: Population, model: Model) -> None:
    gc.collect()
    gc.disable()  # Millions of records that stay are not searched for garbage again and again.
    for name, matcher in MATCHERS.items():
        started, worked = time.perf_counter(), time.process_time()
        found = matcher(population, model)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        true_there = f"{found.review_precision:>11.1%}" if found.review_pairs else f"{'-':>11}"
        print(
            f"{f'{population.name}: {name}':<36}{found.precision:>10.4%}{found.recall:>9.2%}"
            f"{found.review_share:>11.2%}{true_there}{found.records:>11,}{seconds:>9.1f}{worked:>11.1f}",
            flush=True,
        )
        gc.collect()
    gc.enable()


def _for_an_index_of(records: int, mappings: Files) -> Model:
    """The model that ships, set to as many records."""
    content = json.loads(mappings[MODEL_FILE])
    return parse_model({**mappings, MODEL_FILE: json.dumps(resized(content, records))})


def facts(made: Coalition, mappings: Files) -> None:
    """Facts that two partners sent, found by their keys among the records of one person."""
    found, true = made.fact_pairs(parse_duplicates(mappings))
    right = len(found & true)
    print(
        f"{'duplicate facts':<36}{right / len(found):>10.2%}{right / len(true):>9.2%}{len(true):>33,} pairs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=2_000, help="people of the coalition")
    parser.add_argument("--people", type=int, nargs="*", default=[], help="the same, as the desks write them")
    parser.add_argument("--town", type=int, default=2_000, help="people of the town")
    parser.add_argument("--index", type=int, default=20_000, help="records a batch of 1,000 meets")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    mappings = read_tree(MAPPINGS)
    model = parse_model(mappings)
    people, made = coalition(mappings, asked.size, SEED)
    print(HEADER)
    measure(people, _for_an_index_of(len(people.truth), mappings))
    for number in asked.people:
        population = desks(number, SEED)
        measure(population, _for_an_index_of(len(population.truth), mappings))
    for population in (townsfolk(asked.town, SEED), *published()):
        measure(population, _for_an_index_of(len(population.truth), mappings))
    facts(made, mappings)
    for records in sorted({asked.index // 10, asked.index}):
        speed(records, model, SEED)


if __name__ == "__main__":
    print(machine.line())
    main()
