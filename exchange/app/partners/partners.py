"""Bringing a partner on: the folder to start from, and the check of a folder."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from exchange.consent import Rules
from exchange.content import parse_partner
from exchange.formats import Rejected, split
from exchange.formats.table_layout import Layout
from exchange.mapping import Maps, load_maps
from exchange.mapping.coverage import positions, unread
from exchange.mapping.load import observed_maps
from exchange.model.errors import ContentError, RecordRejected
from exchange.model.fhir import references
from exchange.model.partner import Partner
from exchange.model.records import Document, Files, Format, Issue, Mapped, SourceRecord
from exchange.pipeline.map import map_source
from exchange.pipeline.safeguard import safeguard_chunk

_SHARED_MAPS: dict[Format, str] = {
    "fhir_json": "_shared/maps/fhir_r4.map.yaml",
    "hl7v2": "_shared/maps/hl7v2.map.yaml",
    "ccda": "_shared/maps/ccda.map.yaml",
    "hsds_json": "_shared/maps/hsds.map.yaml",
    "x12": "_shared/maps/x12.map.yaml",
}
_PATTERNS: dict[Format, str] = {
    "fhir_json": "*.json*",
    "hl7v2": "*.hl7",
    "ccda": "*.xml",
    "hsds_json": "*.json",
    "x12": "*.*",
    "delimited": "*.csv",
}

_PARTNER = """\
# Who they are. The law attaches to type, covered_entity and part2_program; say what is true.
namespace: https://{host}.example/      # their own; ids are derived from it, so never change it
organization:
  name: {name}
  type: {type}
  covered_entity: {covered}
# Without an agreement in force nothing enters and nothing leaves.
agreement: {{type: participation, signed: {today}}}
# What they may ask for, once they have a client (exchange client add {code} …).
requests: {{purposes: []}}
# Where their records are. ${{NAME}} is read from the environment when a run starts.
connector:
  type: folder
  options: {{path: {folder}}}
schedule: "0 2 * * *"
feeds:
  records:
    format: {format}
    map: {map}
    match: "{match}"{key}
"""

_KEY = '\n    key: ["id"]         # the column or columns that make a row the same one'

_DELIMITED_MAP = """\
# Under `set`, one line per element: FHIR element: column, with functions after a bar. docs/partners.md
# teaches the rest.
format: delimited
entries:
  patient:
    resource: Patient
    id: id
    set:
      identifier: {system: 'concat($namespace, "id")', value: id}
"""

Named = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a partner's samples become: records, resources by type, labels, issues, rejected records.

    `unmapped`: in how many records is a code that the named code map lacks. `unread`: how many records fill
    what no row of the map reads, by feed and position.
    """

    partner: str
    records: int
    resources: dict[str, int]
    labels: dict[str, int]
    issues: tuple[Issue, ...]
    unmapped: dict[str, int]
    unread: dict[str, int]

    def unexpected(self, expected: Counter[Named]) -> int:
        """How many issues would keep something out and are not among those written down."""
        errors = Counter(_named(asdict(i)) for i in self.issues if i.severity in ("error", "fatal"))
        return (errors - expected).total()


def expected_issues(samples: Files) -> Counter[Named]:
    """The issues that a partner's expected/ writes down, rejected records among them."""
    outputs = [
        output
        for path, text in samples.items()
        if path.split("/")[1] == "expected"
        for output in _outputs(path, text)
    ]
    issues = [issue for o in outputs for issue in (*o.get("issues", ()), o.get("rejected")) if issue]
    return Counter(_named(issue) for issue in issues)


def _outputs(path: str, text: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContentError(
            "not valid JSON; have it written anew", file=f"mappings/{path}", line=error.lineno
        ) from None
    return found


def _named(issue: Mapping[str, Any]) -> Named:
    parts = ("severity", "code", "detail", "expression", "position")
    return tuple(str(issue.get(part) or "") for part in parts)


def new_partner(
    mappings: Path,
    code: str,
    format_: Format,
    folder: str,
    today: str,
    match: str | None = None,
    proposal: tuple[str, list[str]] | None = None,
    saved: Layout | None = None,
    fhir_version: str = "",
) -> list[Path]:
    """Writes `mappings/<code>/` to start from and returns the files; raises ContentError if it is there."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", code):
        raise ContentError("a partner's code is lower case letters, digits and _", field=code)
    home = mappings / code
    if home.exists():
        raise ContentError("there is such a folder already", file=f"mappings/{code}")
    delimited = format_ == "delimited"
    text = _PARTNER.format(
        code=code,
        host=code.replace("_", "-"),  # a host name holds no underscore
        name=code.replace("_", " ").title(),
        type="social-services" if delimited else "clinic",
        covered="false" if delimited else "true",
        today=today,
        folder=json.dumps(folder, ensure_ascii=False),  # no sign of it is one of YAML's
        format=format_,
        map="records.map.yaml" if delimited else _SHARED_MAPS[format_],
        match=match or _PATTERNS[format_],
        key=_key(proposal) + _saved(saved or Layout()) if delimited else _version(fhir_version),
    )
    parse_partner(code, text, f"mappings/{code}/partner.yaml")
    for name in ("samples", "expected", "codes"):
        (home / name).mkdir(parents=True)
    written = [_write(home / "partner.yaml", text)]
    if delimited:
        written.append(_write(home / "records.map.yaml", proposal[0] if proposal else _DELIMITED_MAP))
    return written


def _key(proposal: tuple[str, list[str]] | None) -> str:
    if proposal is None:
        return _KEY
    return f"\n    key: {json.dumps(proposal[1], ensure_ascii=False)}" if proposal[1] else ""


def _version(fhir_version: str) -> str:
    return f"\n    options: {{fhir_version: {fhir_version}}}" if fhir_version else ""


def _saved(saved: Layout) -> str:
    """`encoding` and `options` where the file was not saved as most are."""
    plain = Layout()
    encoding = "" if saved.encoding == plain.encoding else f"\n    encoding: {saved.encoding}"
    delimiter = [f"delimiter: {json.dumps(saved.delimiter)}"] if saved.delimiter != plain.delimiter else []
    skip = [f"skip: {saved.skip}"] if saved.skip else []
    options = ", ".join(delimiter + skip)
    return encoding + (f"\n    options: {{{options}}}" if options else "")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def check_purposes(partner: Partner, rules: Rules) -> None:
    """Raises ContentError for a purpose of use that the vocabulary lacks: it would always be denied."""
    known = rules.vocabulary.file.purposes
    for purpose in partner.requests.purposes:
        if purpose not in known:
            raise ContentError(
                f"`{purpose}` is no purpose of use",
                file=f"mappings/{partner.code}/partner.yaml", field="requests.purposes", valid=known,
            )  # fmt: skip


def check_partner(mappings: Files, partner: Partner, rules: Rules, documents: Sequence[Document]) -> Checked:
    """Maps and labels `documents` as a run would, without touching any store."""
    maps = load_maps(mappings, partner)
    items = [
        item for document in documents for item in split(document, partner.feeds[document.feed], partner)
    ]
    rejected = [item.issue for item in items if isinstance(item, Rejected)]
    records = [item for item in items if not isinstance(item, Rejected) and not item.deleted]
    mapped = [(record.feed, map_source(record, maps)[0]) for record in records]
    rows = [
        {"feed": feed, "resources": list(m.resources), "refers": [references(r) for r in m.resources]}
        for feed, m in mapped
    ]
    labelled = [item for row in safeguard_chunk(rows, partner, rules, {}) for item in row["resources"]]
    return Checked(
        partner=partner.code,
        records=len(items),
        resources=dict(Counter(item["resource"]["resourceType"] for item in labelled).most_common()),
        labels=dict(Counter(c for item in labelled for c in item["labels"]["codes"]).most_common()),
        issues=(*rejected, *(issue for _, m in mapped for issue in m.issues)),
        unmapped=_unmapped(found for _, found in mapped),
        unread=_unread(records, observed_maps(maps)) if records else {},
    )


def _unmapped(found: Iterable[Mapped]) -> dict[str, int]:
    """By code map and code; one that may be what a person typed is not named."""
    names = ({f"{each.code_map} {each.code or '(text)'}" for each in mapped.unmapped} for mapped in found)
    return dict(Counter(name for here in names for name in here).most_common())


def _unread(records: Sequence[SourceRecord], observed: Maps) -> dict[str, int]:
    counts = Counter[str]()
    for record in records:
        with suppress(RecordRejected):
            counts.update(f"{record.feed} {name}" for name in unread(positions(record, observed)))
    return dict(counts.most_common())


def sample_documents(partner: Partner, folder: Path) -> list[Document]:
    """The files of a folder that belong to the partner's feeds: by feed name first, then by `match`."""
    found: list[Document] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        feed = _feed_of(partner, path.relative_to(folder))
        if feed:
            beside = {
                join.file: other.read_bytes()
                for join in partner.feeds[feed].joins()
                if (other := _joined(path, join.file, folder)) is not None
            }
            found.append(Document(feed, path.name, path.read_bytes(), beside=beside))
    return found


def _joined(path: Path, name: str, folder: Path) -> Path | None:
    """The file of a name beside another, else the sample of another feed."""
    beside = path.with_name(name)
    return beside if beside.is_file() else next(iter(sorted(folder.rglob(name))), None)


def _feed_of(partner: Partner, path: Path) -> str | None:
    named = [
        feed for feed in partner.feeds if path.parts[0].split(".")[0] == feed or path.name.startswith(feed)
    ]
    matching = [name for name, feed in partner.feeds.items() if fnmatch(path.name, Path(feed.match).name)]
    return next(iter([*named, *matching]), None)
