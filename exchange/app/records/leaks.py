"""Law 7, checked: looks for people of the repository in logs and in the scheduler's own database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import orjson
import psycopg

from exchange.pipeline.ledger import Connection
from exchange.repository import scheduler_database, url_with

_WORD = re.compile(r"[^\W_][\w.'-]*", re.UNICODE)
_SCHEDULER_TABLES = (
    "xcom",
    "rendered_task_instance_fields",
    "log",
    "task_instance",
    "dag_run",
    "import_error",
)


@dataclass(frozen=True, slots=True)
class Traces:
    """What would give people away: pairs of names in both orders, identifier values; in lower case."""

    names: frozenset[tuple[str, str]]
    identifiers: frozenset[str]


def traces_of_people(connection: Connection) -> Traces:
    """Names and identifiers of every Patient in the repository."""
    names: set[tuple[str, str]] = set()
    identifiers: set[str] = set()
    for (body,) in connection.execute("SELECT body FROM resource WHERE type = 'Patient'"):
        patient = orjson.loads(body)
        for name in patient.get("name", []):
            family = _WORD.findall(name.get("family", "").lower())
            given = _WORD.findall(" ".join(name.get("given", [])).lower())
            pairs = {(g, f) for g in given for f in family if len(g) > 1 and len(f) > 1}
            names |= pairs | {(f, g) for g, f in pairs}
        identifiers |= {
            str(i["value"]).lower() for i in patient.get("identifier", []) if len(str(i.get("value", ""))) > 4
        }
    return Traces(frozenset(names), frozenset(identifiers))


def find_traces(texts: Iterable[tuple[str, str]], traces: Traces) -> list[str]:
    """Names of the texts that hold a person's name or identifier; never what was found.

    >>> traces = Traces(frozenset({("rivera", "ana")}), frozenset({"m00001"}))
    >>> find_traces([("a.log", "chunk 1 done"), ("b.log", "Rivera, Ana came in")], traces)
    ['b.log']
    """
    return sorted({name for name, text in texts if _holds(text, traces)})


def _holds(text: str, traces: Traces) -> bool:
    words = _WORD.findall(text.lower())
    if not traces.identifiers.isdisjoint(words):
        return True
    return not traces.names.isdisjoint(pairwise(words))


def log_texts(folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """(path, text) of every file below the folders."""
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            yield str(path), path.read_text("utf-8", "replace")


def scheduler_texts(database_url: str) -> Iterator[tuple[str, str]]:
    """(table, row as text) of the scheduler's tables that tasks write to."""
    with psycopg.connect(url_with(database_url, database=scheduler_database(database_url))) as connection:
        for table in _SCHEDULER_TABLES:
            if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
                continue
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t"):
                yield table, row
