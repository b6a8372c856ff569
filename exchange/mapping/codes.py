"""Code maps: CSV a clinician can edit, from a source code to target codings.

Columns source_system, source_code, target_system, target_code, target_display, equivalence, from, to; an
empty source_system matches any, `*` as source_code is the answer for codes not listed; `from` and `to`
limit a row to records of that time. https://hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from exchange.model.errors import ContentError
from exchange.model.records import Files

COLUMNS = (
    "source_system", "source_code", "target_system", "target_code",
    "target_display", "equivalence", "from", "to",
)  # fmt: skip
EQUIVALENCES = frozenset(
    {
        *("relatedto", "equivalent", "equal", "wider", "subsumes"),
        *("narrower", "specializes", "inexact", "unmatched", "disjoint"),
    }
)


# What a code looks like; text with spaces, dates, phone and social security numbers and addresses do not.
_CODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+^*#-]{0,63}")
_PERSONAL = re.compile(
    r"\d{3}-?\d{2}-?\d{4}|\+?1?[.-]?\d{3}[.-]?\d{3}[.-]?\d{4}|(?:19|20)\d{2}[-/.]?\d{2}[-/.]?\d{2}"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{2}|\d{4})"
)


def shown_code(text: str, system: str = "") -> str:
    """The text where it looks like a code; `` where it may say something of a person.

    A bare number of nine or ten digits is a code only where its system is known.

    >>> shown_code("F11.20"), shown_code("lives with aunt"), shown_code("555-12-3456")
    ('F11.20', '', '')
    """
    personal = _PERSONAL.fullmatch(text) and not (system and text.isdecimal())
    return text if _CODE.fullmatch(text) and not personal else ""


@dataclass(frozen=True, slots=True)
class Target:
    """One row's right side; an `unmatched` row has no code and says the gap is known."""

    system: str
    code: str
    display: str
    source_system: str
    begins: str
    ends: str
    equivalence: str = "equivalent"

    def coding(self) -> dict[str, str]:
        """The target as a Coding."""
        parts = {"system": self.system, "code": self.code, "display": self.display}
        return {name: value for name, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class CodeMap:
    """Rows by source code in file order, a partner's own rows before the shared ones."""

    name: str
    rows: Mapping[str, tuple[Target, ...]]
    dated: bool

    def find(self, code: str, system: str | None, day: str) -> tuple[Target, ...]:
        """Targets for a code on a day (ISO date); the `*` row when none is listed."""
        for key in (code, "*"):
            found = tuple(row for row in self.rows.get(key, ()) if _applies(row, system, day))
            if found:
                return found
        return ()

    def lists(self, code: str, system: str | None, day: str) -> bool:
        """Whether somebody decided about this very code, as `*` does of none."""
        return any(_applies(row, system, day) for row in self.rows.get(code, ()))


def _applies(row: Target, system: str | None, day: str) -> bool:
    if system is not None and row.source_system and row.source_system != system:
        return False
    return not (day and ((row.begins and day < row.begins) or (row.ends and day > row.ends)))


def load_code_maps(files: Files, partner: str) -> dict[str, CodeMap]:
    """Every map of `_shared/codes` by name, rows of `<partner>/codes` before them."""
    maps: dict[str, dict[str, tuple[Target, ...]]] = {}
    for folder in (f"{partner}/codes/", "_shared/codes/"):
        for path in sorted(files):
            if path.startswith(folder) and path.endswith(".csv"):
                name = path[len(folder) : -len(".csv")]
                _add(maps.setdefault(name, {}), _read(path, files[path]))
    return {name: CodeMap(name, rows, _is_dated(rows)) for name, rows in maps.items()}


def _is_dated(rows: Mapping[str, tuple[Target, ...]]) -> bool:
    return any(target.begins or target.ends for targets in rows.values() for target in targets)


def _add(rows: dict[str, tuple[Target, ...]], more: dict[str, tuple[Target, ...]]) -> None:
    for code, targets in more.items():
        own = rows.get(code, ())
        rows[code] = own + tuple(target for target in targets if not own)


def _read(path: str, text: str) -> dict[str, tuple[Target, ...]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise ContentError(f"columns missing: {', '.join(sorted(missing))}", file=path, line=1, valid=COLUMNS)
    rows: dict[str, tuple[Target, ...]] = {}
    for row in reader:
        if None in row or None in row.values():
            raise ContentError(f"the row needs {len(COLUMNS)} columns", file=path, line=reader.line_num)
        cells = {name: (row[name] or "").strip() for name in COLUMNS}
        _check(cells, path, reader.line_num)
        target = Target(
            system=cells["target_system"],
            code=cells["target_code"],
            display=cells["target_display"],
            source_system=cells["source_system"],
            begins=cells["from"],
            ends=cells["to"],
            equivalence=cells["equivalence"],
        )
        rows[cells["source_code"]] = (*rows.get(cells["source_code"], ()), target)
    return rows


def _check(cells: Mapping[str, str], path: str, line: int) -> None:
    def fail(field: str, message: str, valid: Any = ()) -> ContentError:
        return ContentError(message, file=path, line=line, field=field, valid=valid)

    if not cells["source_code"]:
        raise fail("source_code", "a source code is needed (`*` for all others)")
    if cells["equivalence"] not in EQUIVALENCES:
        raise fail("equivalence", f"`{cells['equivalence']}` is no equivalence", EQUIVALENCES)
    if bool(cells["target_code"]) == (cells["equivalence"] in ("unmatched", "disjoint")):
        raise fail("target_code", "a target code is needed, except for unmatched and disjoint")
    for field in ("from", "to"):
        if cells[field] and not _is_day(cells[field]):
            raise fail(field, "a day is written YYYY-MM-DD")
    if cells["from"] and cells["to"] and cells["from"] > cells["to"]:
        raise fail("to", "`to` lies before `from`")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
