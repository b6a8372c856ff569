"""Trains the model with Splink on DuckDB; run as a tool, imported by nothing that serves.

    python -m exchange.linkage.train population.ndjson mappings/_shared/identity --version 2026-11-23 \\
        --source "whose records these are"

Each line of the population is `{"features": Features.to_json(), "person": "who it truly is"}`; `person`
serves to learn from and to choose the thresholds. Splink compares with the very function that serves
(`agreement.agree`, registered in DuckDB), so training and serving cannot drift apart.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import log2
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow  # type: ignore[import-untyped]
import splink
from duckdb import sqltype
from duckdb.func import PythonUDFType
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

from exchange.linkage.agreement import LEVELS, Known, agree
from exchange.linkage.evaluate import Quality
from exchange.linkage.features import Features
from exchange.linkage.frequencies import frequencies, full_names
from exchange.linkage.model import COMMON_GIVEN_NAME, MODEL_FILE, Model, digest_of, parse_model
from exchange.linkage.patterns import level_of, pattern
from exchange.linkage.thresholds import choose_thresholds, judge, quality_of
from exchange.linkage.vocabulary import FOLDER, parse_vocabulary
from exchange.model.records import Files

EXPECTED_RECORDS = 500_000
"""The prior is set for an index of about this size, however small the population it was learned from; for a
larger one `exchange.linkage.resize` sets it."""

LEAST_CHANCE = 1e-6
"""No level is thought rarer among strangers than this: the sample cannot show it."""

LEAST_SHARE = 0.0002
"""No level is thought rarer in one person than this."""

_SAMPLED_PAIRS = 1_000_000
_REMEMBERED_PAIRS = 1_500_000


def common_given_names(shares: Mapping[str, float]) -> frozenset[str]:
    return frozenset(term for term, share in shares.items() if share >= COMMON_GIVEN_NAME)


Levels = dict[str, dict[str, list[float]]]
"""[m, u] by field and level: how often it is found in one person, and between strangers."""


def estimate(population: Sequence[Features], persons: Sequence[str], known: Known, seed: int) -> Levels:
    """m from the pairs that are one person, u from random pairs."""
    linker = _linker(population, persons, known)
    linker.training.estimate_u_using_random_sampling(_SAMPLED_PAIRS, seed=seed, min_count_per_level=None)
    linker.training.estimate_m_from_label_column("person")
    return _without_matches(_levels(linker.misc.save_model_to_json()), share_of_matches(persons))


def share_of_matches(persons: Sequence[str]) -> float:
    """Of all pairs of records those that are one person.

    >>> share_of_matches(["a", "a", "b"])
    0.3333333333333333
    """
    same = sum(count * (count - 1) for count in Counter(persons).values())
    return same / (len(persons) * (len(persons) - 1))


def _linker(population: Sequence[Features], persons: Sequence[str], known: Known) -> Linker:
    connection = duckdb.connect()
    number = sqltype("BIGINT")
    connection.create_function(
        "agreement", _packed(population, known), [number, number], number, type=PythonUDFType.ARROW
    )
    connection.execute("CREATE TABLE population (unique_id BIGINT, record BIGINT, person VARCHAR)")
    connection.executemany(
        "INSERT INTO population VALUES (?, ?, ?)",
        [(number, number, person) for number, person in enumerate(persons)],
    )
    return Linker(
        DuckDBAPI(connection).register("population"),
        SettingsCreator(
            link_type="dedupe_only",
            comparisons=[_comparison(field) for field in LEVELS],
            blocking_rules_to_generate_predictions=[block_on("person")],
            additional_columns_to_retain=["person"],
            probability_two_random_records_match=1 / len(population),
            retain_matching_columns=False,
        ),
        log_level=logging.ERROR,
    )


def _packed(population: Sequence[Features], known: Known) -> Callable[[Any, Any], Any]:
    """For columns of record numbers: the levels of each pair, four bits per field, zero for absent."""
    remembered: dict[tuple[int, int], int] = {}

    def one(pair: tuple[int, int]) -> int:
        found = remembered.get(pair)
        if found is None:
            found = pattern(agree(population[pair[0]], population[pair[1]], known).levels)
            if len(remembered) < _REMEMBERED_PAIRS:
                remembered[pair] = found
        return found

    def agreement(a: Any, b: Any) -> Any:
        return pyarrow.array(map(one, zip(a.to_pylist(), b.to_pylist(), strict=True)), pyarrow.int64())

    return agreement


def _comparison(field: str) -> dict[str, Any]:
    code = level_of("agreement(record_l, record_r)", field)
    levels: list[dict[str, Any]] = [
        {"sql_condition": f"{code} = 0", "label_for_charts": "absent", "is_null_level": True}
    ]
    levels += [
        {"sql_condition": f"{code} = {number}", "label_for_charts": level}
        for number, level in enumerate(LEVELS[field][:-1], start=1)
    ]
    levels.append({"sql_condition": "ELSE", "label_for_charts": LEVELS[field][-1]})
    return {"output_column_name": field, "comparison_levels": levels}


def _levels(trained: Mapping[str, Any]) -> Levels:
    """A level that was never met is given the least chance; the report names those."""
    return {
        comparison["output_column_name"]: {
            level["label_for_charts"]: [
                max(_number(level, "m"), LEAST_SHARE),
                max(_number(level, "u"), LEAST_CHANCE),
            ]
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        }
        for comparison in trained["comparisons"]
    }


def _number(level: Mapping[str, Any], kind: str) -> float:
    value = level.get(f"{kind}_probability")
    return float(value) if isinstance(value, int | float) else 0.0


def _without_matches(levels: Levels, share: float) -> Levels:
    """u as it is among strangers: a random pair is one person in `share` of all cases, which weighs where
    strangers hardly ever agree."""
    return {
        field: {
            level: [round(m, 7), round(max((u - share * m) / (1 - share), LEAST_CHANCE), 9)]
            for level, (m, u) in known.items()
        }
        for field, known in levels.items()
    }


def train(
    records: Sequence[Mapping[str, Any]],
    files: Files,
    version: str,
    source: str,
    seed: int = 1,
    proof: Sequence[Mapping[str, Any]] = (),
    named: Sequence[Mapping[str, Any]] = (),
) -> tuple[dict[str, Any], Quality]:
    """The content of model.json, and how well it does on the very population it was made from.

    The thresholds are proven on `proof`, people the weights were not learned from; without it on `records`.
    `named` are more people than the weights need, by whom full names are counted; without them `records`.
    """
    population = [Features.from_json(record["features"]) for record in records]
    persons = [record["person"] for record in records]
    shares = frequencies(population)
    known = Known(common_given_names(shares["given"]), parse_vocabulary(files))
    levels = estimate(population, persons, known, seed)
    content: dict[str, Any] = {
        "version": version,
        "prior": round(share_of_matches(persons) * len(population) / EXPECTED_RECORDS, 12),
        "expected_records": EXPECTED_RECORDS,
        "thresholds": {"certain": 1.0, "probable": 1.0, "possible": 1.0},
        "levels": levels,
        "frequencies": shares,
        "full_names": full_names([Features.from_json(line["features"]) for line in named or records]),
    }
    unseen = proof or records
    judged = judge(
        [Features.from_json(record["features"]) for record in unseen],
        [record["person"] for record in unseen],
        _parsed(content, files),
    )
    content["thresholds"] = asdict(choose_thresholds(judged))
    model = _parsed(content, files)
    quality = quality_of(judge(population, persons, model), population, persons, model)
    report = _report(levels, len(population), quality, seed)
    content["training"] = {"source": source, **report}
    content["digest"] = digest_of(content)
    return content, quality


def _parsed(content: Mapping[str, Any], files: Files) -> Model:
    signed = {**content, "digest": digest_of(content)}
    return parse_model({**files, MODEL_FILE: json.dumps(signed)})


def _report(levels: Levels, records: int, quality: Quality, seed: int) -> dict[str, Any]:
    weights = {
        field: {level: round(log2(m / u), 2) for level, (m, u) in known.items()}
        for field, known in levels.items()
    }
    return {
        "method": "Fellegi-Sunter with Splink: u from random pairs, m from pairs known to be one person",
        "splink": splink.__version__,
        "duckdb": duckdb.__version__,
        "seed": seed,
        "records": records,
        "sampled_pairs": _SAMPLED_PAIRS,
        "weights_in_bits": weights,
        "levels_never_met_in_one_person": [
            f"{field}.{level}"
            for field, known in levels.items()
            for level, (m, _) in known.items()
            if m <= LEAST_SHARE
        ],
        "on_the_training_population": quality.report(),
    }


def _read(file: Path) -> list[dict[str, Any]]:
    with file.open("rb") as lines:
        return [orjson.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("population", type=Path, help="NDJSON of features and person")
    parser.add_argument("folder", type=Path, help="of the placeholders and names; model.json is written")
    parser.add_argument("--version", required=True, help="names the model in every link it makes")
    parser.add_argument("--source", required=True, help="what the population is, for the report")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--proof", type=Path, help="another population, to prove the thresholds on")
    parser.add_argument("--names", type=Path, help="a larger population, to count full names by")
    arguments = parser.parse_args()
    words = (path for path in arguments.folder.iterdir() if path.suffix in (".yaml", ".csv"))
    files = {f"{FOLDER}/{path.name}": path.read_text("utf-8") for path in words}
    records = _read(arguments.population)
    proof = _read(arguments.proof) if arguments.proof else []
    named = _read(arguments.names) if arguments.names else []
    content, quality = train(
        records, files, arguments.version, arguments.source, arguments.seed, proof, named
    )
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    (arguments.folder / "model.json").write_text(text + "\n", "utf-8")
    print(json.dumps(quality.report(), indent=1))


if __name__ == "__main__":
    main()
