"""The worklist of codes with suggestions, and a new row in a code map as a change to review."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.app.opening import Exchange, find_partner
from exchange.mapping.codes import COLUMNS, load_code_maps
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
    synonyms = read_synonyms(exchange.mappings)
    maps = {code: load_code_maps(exchange.mappings, code) for code in {each.partner for each in waiting}}
    tasks = []
    for each in waiting:
        code_map = maps[each.partner].get(each.code_map)
        if code_map is None or (each.code and code_map.find(each.code, each.system or None, "")):
            continue
        tasks.append(Task(each, suggest(each.code, code_map, synonyms) if each.code else ()))
    return tasks


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
