"""Golden outputs: `mappings/<partner>/samples/<feed>/<name>` must become `expected/<feed>/<name>.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from exchange.formats import Rejected, split
from exchange.mapping.content import read_yaml
from exchange.mapping.load import Maps, load_maps
from exchange.mapping.record import map_record
from exchange.model.errors import ContentError, RecordRejected
from exchange.model.partner import Agreement, Connector, Feed, Organization, Partner
from exchange.model.records import Document, Files, Issue, Mapped, SourceRecord


@dataclass(frozen=True, slots=True)
class Golden:
    """One sample: where it lies, what it must become (None: nobody wrote it down yet) and what it becomes."""

    sample: str
    expected_path: str
    expected: str | None
    actual: str

    @property
    def holds(self) -> bool:
        """Whether the sample becomes what it must, layout apart."""
        return self.expected is not None and json.loads(self.expected) == json.loads(self.actual)


SHARED = "_shared"


def shared_maps(files: Files) -> Partner:
    """One feed for each map of `_shared/maps`, as a partner that sends their samples."""
    feeds = {}
    for path in sorted(files):
        name = path.removeprefix(f"{SHARED}/maps/").removesuffix(".map.yaml")
        if path == f"{SHARED}/maps/{name}.map.yaml" and "/" not in name:
            kind = read_yaml(files[path], path).table("")["format"].text("format")
            feeds[name] = Feed.model_validate({"format": kind, "map": path})
    return Partner(
        code=SHARED,
        namespace="https://shared.example/",
        organization=Organization(name="Shared maps", type="clinic"),
        agreement=Agreement(type="participation", signed=date(2020, 1, 1)),
        connector=Connector(type="folder"),
        feeds=feeds,
    )


def golden_cases(files: Files, partner: Partner) -> list[Golden]:
    """Every sample of a partner; ContentError for one of no feed and for an output without a sample."""
    maps = load_maps(files, partner)
    cases = [
        _case(path, files, maps) for path in sorted(files) if path.startswith(f"{partner.code}/samples/")
    ]
    known = {case.expected_path for case in cases}
    for path in sorted(files):
        if path.startswith(f"{partner.code}/expected/") and path not in known:
            raise ContentError("there is no sample for this expected output", file=path)
    return cases


def _case(path: str, files: Files, maps: Maps) -> Golden:
    code, _, feed, name = [*path.split("/", 3), "", ""][:4]
    if feed not in maps.partner.feeds or not name:
        raise ContentError(
            "a sample lies in samples/<feed>/", file=path, field=feed, valid=maps.partner.feeds
        )
    expected_path = f"{code}/expected/{feed}/{name.rsplit('.', 1)[0]}.json"
    beside = _beside(feed, files, maps)
    actual = golden_output(Document(feed, name, files[path].encode(), beside=beside), maps)
    return Golden(path, expected_path, files.get(expected_path), actual)


def _beside(feed: str, files: Files, maps: Maps) -> dict[str, bytes]:
    """The samples of other feeds that the feed joins, by the name of the file."""
    wanted = {join.file for join in maps.partner.feeds[feed].joins()}
    inside = f"{maps.partner.code}/samples/"
    found = {path.rpartition("/")[2]: text for path, text in files.items() if path.startswith(inside)}
    return {name: found[name].encode() for name in wanted & found.keys()}


def golden_output(document: Document, maps: Maps) -> str:
    """What each record of a document becomes, as indented JSON."""
    outputs = list(_outputs(document, maps))
    return json.dumps(outputs, indent=1, ensure_ascii=False) + "\n"


def _outputs(document: Document, maps: Maps) -> Iterator[dict[str, Any]]:
    for piece in split(document, maps.partner.feeds[document.feed], maps.partner):
        if isinstance(piece, Rejected):
            yield {"key": piece.record.key, "rejected": _shown(piece.issue)}
        else:
            yield {"key": piece.key, **_mapped(piece, maps)}


def _mapped(record: SourceRecord, maps: Maps) -> dict[str, Any]:
    try:
        mapped = map_record(record, maps)
    except RecordRejected as error:
        issue = Issue("error", error.code, str(error), error.expression, error.position)
        return {"rejected": _shown(issue)}
    return _summary(mapped)


def _summary(mapped: Mapped) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "resources": list(mapped.resources),
        "deleted": list(mapped.deleted),
        "conditional": sorted(mapped.conditional),
        "merges": [asdict(merge) for merge in mapped.merges],
        "issues": [_shown(issue) for issue in mapped.issues],
    }
    return {name: value for name, value in parts.items() if value}


def _shown(issue: Issue) -> dict[str, str]:
    return {name: value for name, value in asdict(issue).items() if value}
