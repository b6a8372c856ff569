"""Everybody linked at once with Splink, on DuckDB or Spark; run as a tool, imported by nothing that serves.

    python -m exchange.linkage.whole population.ndjson mappings/_shared/identity persons.ndjson \\
        --backend spark

Each line of the population is `{"id": …, "features": Features.to_json()}`, each written `{"id", "person"}`.
Splink brings records together by our blocking keys and weighs them with the parameters of the model; what
could link is judged by `compare`, and persons are formed by `partition`, so that both backends and the index
that is kept batch by batch say the same.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any

import orjson
import pyarrow  # type: ignore[import-untyped]
from splink import Linker, SettingsCreator, block_on

from exchange.linkage.agreement import LEVELS
from exchange.linkage.blocking import blocking_keys
from exchange.linkage.cluster import contradicting, edge_found, partition
from exchange.linkage.compare import compare
from exchange.linkage.features import Features
from exchange.linkage.model import Model, parse_model
from exchange.linkage.patterns import comparing, comparing_broadcast, level_of
from exchange.linkage.vocabulary import FOLDER


def persons_of_all(records: Mapping[str, Features], model: Model, backend: str) -> dict[str, str]:
    """The smallest id of its person for each record; `backend` is duckdb or spark."""
    pairs = _BACKENDS[backend](records, model)
    edges = []
    for a, b in sorted({*pairs, *_of_one_number(records)}):
        match = compare(records[a], records[b], model)
        if match.links_in_index:
            edges.append(edge_found(a, b, match, records))
    apart = contradicting(records, [(edge.a, edge.b) for edge in edges], model)
    return partition(records, edges, dict.fromkeys(apart, "model"))


def _of_one_number(records: Mapping[str, Features]) -> Iterator[tuple[str, str]]:
    """Pairs that one number of one assigner brings together, whatever their weight."""
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, record in sorted(records.items()):
        for identifier in record.identifiers:
            if identifier.kind == "record":
                holders[identifier.system, identifier.digest].append(name)
    for same in holders.values():
        yield from pairwise(same)


def settings(model: Model) -> SettingsCreator:
    """Our model in Splink's words: every weight as the ratio of an m and a u."""
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=[_comparison(field, model.weights[field]) for field in LEVELS],
        blocking_rules_to_generate_predictions=[block_on("keys", arrays_to_explode=["keys"])],
        probability_two_random_records_match=model.prior,
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )


def _comparison(field: str, weights: Mapping[str, float]) -> dict[str, Any]:
    code = level_of("agreement(record_l, record_r)", field)
    levels: list[dict[str, Any]] = [
        {"sql_condition": f"{code} = 0", "label_for_charts": "absent", "is_null_level": True}
    ]
    for number, level in enumerate(LEVELS[field], start=1):
        u = 1 / (1 + 2 ** max(weights[level], 0)) / len(LEVELS[field])
        last = number == len(LEVELS[field])
        levels.append(
            {
                "sql_condition": "ELSE" if last else f"{code} = {number}",
                "label_for_charts": level,
                "m_probability": u * 2 ** weights[level],
                "u_probability": u,
            }
        )
    return {"output_column_name": field, "comparison_levels": levels}


def least_weight(model: Model) -> float:
    """The weight in bits below which no frequency of a name makes a link."""
    probable = model.thresholds.probable
    rarity = (log2(model.agreement_by_chance[field] / model.rarest[field]) for field in model.rarest)
    return log2(probable / (1 - probable)) - sum(max(bits, 0.0) for bits in rarity) - 0.01


def _rows(records: Mapping[str, Features]) -> pyarrow.Table:
    names = sorted(records)
    return pyarrow.table(
        {
            "unique_id": pyarrow.array(names, pyarrow.string()),
            "record": pyarrow.array([records[name].to_text() for name in names], pyarrow.string()),
            "keys": pyarrow.array(
                [blocking_keys(records[name]) for name in names], pyarrow.list_(pyarrow.int64())
            ),
        }
    )


def _on_duckdb(records: Mapping[str, Features], model: Model) -> list[tuple[str, str]]:
    import duckdb
    from duckdb import sqltype
    from duckdb.func import PythonUDFType
    from splink.backends.duckdb import DuckDBAPI

    one = comparing(model.known)

    def agreement(a: pyarrow.Array, b: pyarrow.Array) -> pyarrow.Array:
        return pyarrow.array(map(one, a.to_pylist(), b.to_pylist()), pyarrow.int64())

    connection = duckdb.connect()
    text, number = sqltype("VARCHAR"), sqltype("BIGINT")
    connection.create_function("agreement", agreement, [text, text], number, type=PythonUDFType.ARROW)
    connection.register("rows", _rows(records))
    connection.execute("CREATE TABLE population AS SELECT * FROM rows")
    return _predicted(DuckDBAPI(connection).register("population"), model)


def _on_spark(records: Mapping[str, Features], model: Model) -> list[tuple[str, str]]:
    """On the session that is there, or on one of this machine."""
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import arrow_udf
    from splink.backends.spark import SparkAPI, similarity_jar_location

    spark = (
        SparkSession.builder.appName("identity")
        .config("spark.jars", similarity_jar_location())
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )
    known = spark.sparkContext.broadcast(model.known)

    def agreement(a: pyarrow.Array, b: pyarrow.Array) -> pyarrow.Array:
        return pyarrow.array(map(comparing_broadcast(known), a.to_pylist(), b.to_pylist()), pyarrow.int64())

    with tempfile.TemporaryDirectory() as folder:
        spark.sparkContext.setCheckpointDir(folder)
        spark.udf.register("agreement", arrow_udf(agreement, "bigint"))
        frame = spark.createDataFrame(_rows(records))
        backend: Any = SparkAPI
        api = backend(spark_session=spark, break_lineage_method="parquet")
        return _predicted(api.register(frame), model)


def _predicted(population: Any, model: Model) -> list[tuple[str, str]]:
    linker = Linker(population, settings(model), log_level=logging.ERROR)
    scored: Any = linker.inference.predict(threshold_match_weight=least_weight(model))
    columns = scored.as_pyarrow_table().select(["unique_id_l", "unique_id_r"]).to_pydict()
    return list(zip(columns["unique_id_l"], columns["unique_id_r"], strict=True))


_BACKENDS: Mapping[str, Callable[[Mapping[str, Features], Model], Sequence[tuple[str, str]]]] = {
    "duckdb": _on_duckdb,
    "spark": _on_spark,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("population", type=Path, help="NDJSON of id and features")
    parser.add_argument("folder", type=Path, help="where model.json, the placeholders and the names lie")
    parser.add_argument("persons", type=Path, help="NDJSON of id and person, written")
    parser.add_argument("--backend", choices=sorted(_BACKENDS), default="duckdb")
    asked = parser.parse_args()
    words = (path for path in asked.folder.iterdir() if path.suffix in (".json", ".yaml", ".csv"))
    model = parse_model({f"{FOLDER}/{path.name}": path.read_text("utf-8") for path in words})
    with asked.population.open("rb") as lines:
        said = map(orjson.loads, lines)
        records = {line["id"]: Features.from_json(line["features"]) for line in said}
    found = persons_of_all(records, model, asked.backend)
    with asked.persons.open("wb") as out:
        for name, person in sorted(found.items()):
            out.write(orjson.dumps({"id": name, "person": person}) + b"\n")


if __name__ == "__main__":
    main()
