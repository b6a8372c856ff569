"""The worklist of codes with suggestions, and a new row in a code map as a change to review."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from exchange.app.opening import Exchange, find_partner
from exchange.mapping.codes import COLUMNS, CodeMap, Target, load_code_maps
from exchange.mapping.suggestions import Suggestion, read_synonyms, suggest
from exchange.model.errors import ContentError
from exchange.model.records import Files
from exchange.pipeline.worklist import Waiting, waiting_codes


@dataclass(frozen=True, slots=True)
class Task:
    """A code to map and the likeliest targets of its code map."""

    code: Waiting
    suggestions: Sequence[Suggestion]


def worklist(exchange: Exchange, partner: str | None) -> list[Task]:
    """Codes that the maps of today still do not answer, by volume and partner."""
    if partner is not None:
        find_partner(exchange.partners, partner)
    with exchange.work.connect() as connection:
        waiting = waiting_codes(connection, partner)
    content = _Content(exchange.mappings)
    tasks = []
    for each in waiting:
        code_map = _code_maps(content, each.partner).get(each.code_map)
        if code_map is None or (each.code and code_map.lists(each.code, each.system or None, "")):
            continue
        tasks.append(Task(each, _suggested(content, each.partner, each.code_map, each.code)))
    return tasks


@dataclass(frozen=True, slots=True, eq=False)
class _Content:
    """Files that were read once: the same as themselves, so that what was made of them is kept."""

    files: Files

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self.files is other.files

    def __hash__(self) -> int:
        return id(self.files)


@lru_cache(maxsize=64)
def _code_maps(content: _Content, partner: str) -> dict[str, CodeMap]:
    return load_code_maps(content.files, partner)


@lru_cache(maxsize=4)
def _synonyms(content: _Content) -> Mapping[str, frozenset[str]]:
    return read_synonyms(content.files)


@lru_cache(maxsize=10_000)
def _suggested(content: _Content, partner: str, code_map: str, code: str) -> Sequence[Suggestion]:
    """Every code is compared with every target of its map, a millisecond each."""
    found = _code_maps(content, partner)[code_map]
    return suggest(code, found, _synonyms(content)) if code else ()


def answers_of(exchange: Exchange, task: Task) -> list[Target]:
    """Every target that the task's code map knows and that is not suggested, each once, by code."""
    code_map = _code_maps(_Content(exchange.mappings), task.code.partner)[task.code.code_map]
    suggested = {(one.system, one.code) for one in task.suggestions}
    known = {
        (target.system, target.code): target
        for rows in code_map.rows.values()
        for target in rows
        if target.code and (target.system, target.code) not in suggested
    }
    return sorted(known.values(), key=lambda target: (target.system, target.code))


def add_row(mappings: Path, files: Files, owner: str, code_map: str, row: dict[str, str]) -> str:
    """Writes a row into `<owner>/codes/<code_map>.csv` and returns the file's path in mappings/.

    `owner` is a partner or `_shared`. Raises ContentError, and writes nothing, for a row that does not load
    or a source code that the file answers already.
    """
    name = f"{owner}/codes/{code_map}.csv"
    if f"_shared/codes/{code_map}.csv" not in files and name not in files:
        valid = [
            Path(path).stem
            for path in files
            if "/codes/" in path and path.startswith(("_shared/", f"{owner}/"))
        ]
        raise ContentError("no such code map", file=f"mappings/{owner}/codes", field=code_map, valid=valid)
    before = files.get(name, ",".join(COLUMNS) + "\n")
    _refuse_twice(before, row, name)
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow({**dict.fromkeys(COLUMNS, ""), **row})
    after = before + ("" if before.endswith("\n") else "\n") + text.getvalue()
    load_code_maps({**files, name: after}, owner)
    path = mappings / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(after, encoding="utf-8")
    return name


def _refuse_twice(text: str, row: dict[str, str], name: str) -> None:
    for number, known in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        same = all(known.get(key, "") == row.get(key, "") for key in ("source_system", "source_code", "from"))
        if same:
            raise ContentError("this source code is answered already", file=f"mappings/{name}", line=number)
