"""A new partner tried on a sample before anything is written: what it sends, a map, what becomes of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exchange.app.opening import Exchange
from exchange.app.partners.partners import Checked, check_partner, new_partner
from exchange.app.partners.proposing import propose
from exchange.content import load_partners, read_tree
from exchange.formats.kind import kind_of
from exchange.formats.overlooked import overlooked
from exchange.formats.profile import profile_table
from exchange.formats.table_layout import Layout, layout
from exchange.model.errors import ContentError, RecordRejected
from exchange.model.records import Document, Files, Format, Issue

MAP = "records.map.yaml"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to bring on; `map` and `key` are empty where a shared map reads the format."""

    code: str
    folder: str
    format: Format
    delimiter: str = ","
    encoding: str = "utf-8"
    skip: int = 0
    map: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """The wish with the map that was proposed or given, and what the sample became by it.

    `left_out`: columns of the sample that no line of the map reads although their names say what they are.
    """

    wish: Wish
    checked: Checked
    left_out: tuple[Issue, ...] = ()


def recognised(code: str, folder: str, name: str, payload: bytes) -> Wish:
    """What a sample looks like; ContentError when it is in no format that there is, or nobody is numbered."""
    format_ = kind_of(payload)
    if format_ is None:
        raise ContentError("the sample is in no format that the exchange reads", field="sample")
    if format_ != "delimited":
        return Wish(code, folder, format_)
    saved = layout(payload)
    text, key = propose(profile_table(payload, saved), name)
    return Wish(code, folder, format_, saved.delimiter, saved.encoding, saved.skip, text, tuple(key))


def try_wish(exchange: Exchange, wish: Wish, today: str, name: str, payload: bytes) -> Tried:
    """Maps and labels the sample as a run would; writes and stores nothing."""
    files = _files(wish, today)
    mappings: Files = {**exchange.mappings, **files}
    partner = load_partners(mappings)[wish.code]
    (feed,) = partner.feeds
    document = Document(feed, name, payload)
    checked = check_partner(mappings, partner, exchange.context.rules, [document])
    return Tried(wish, checked, left_out(wish, payload) if wish.format == "delimited" else ())


def left_out(wish: Wish, payload: bytes) -> tuple[Issue, ...]:
    """Of the columns that could not be recognised, those that the map does not read by now either."""
    saved = Layout(wish.delimiter, wish.encoding, wish.skip)
    try:
        found = overlooked(payload, saved, profile_table(payload, saved))
    except RecordRejected:  # no run could read the sample either, and what was checked says so
        return ()
    lines = "\n".join(line for line in wish.map.splitlines() if not line.lstrip().startswith("#"))
    return tuple(issue for issue in found if issue.expression not in lines)


def write_wish(exchange: Exchange, wish: Wish, today: str) -> list[str]:
    """Writes the partner's folder in mappings/, a change to review; the files' paths."""
    _files(wish, today)
    home = exchange.settings.home / "mappings"
    return [path.relative_to(home).as_posix() for path in _write(home, wish, today)]


def wish_to_json(wish: Wish) -> str:
    """A wish as a form carries it: names of columns, no value of any."""
    return json.dumps(
        {
            "code": wish.code, "folder": wish.folder, "format": wish.format, "delimiter": wish.delimiter,
            "encoding": wish.encoding, "skip": wish.skip, "key": wish.key,
        }
    )  # fmt: skip


def wish_from_json(text: str, map_: str) -> Wish:
    """The reverse, with the map as it was edited; raises ContentError for what was not written by us."""
    try:
        found: Mapping[str, object] = json.loads(text)
        wish = Wish(**{**found, "map": map_, "key": tuple(found["key"])})  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError):
        raise ContentError("the form was not filled in by this console", field="wish") from None
    return wish


def _files(wish: Wish, today: str) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), wish, today)
        return read_tree(Path(folder))


def _write(home: Path, wish: Wish, today: str) -> list[Path]:
    proposal = (wish.map, list(wish.key)) if wish.format == "delimited" else None
    saved = Layout(wish.delimiter, wish.encoding, wish.skip)
    return new_partner(home, wish.code, wish.format, wish.folder, today, proposal=proposal, saved=saved)
