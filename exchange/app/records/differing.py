"""What a change of maps would change: retained records through the old and the new, in FHIR terms."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from exchange.app.opening import Exchange, find_partner
from exchange.app.records.retained import retained, retained_of
from exchange.content import load_partners, read_tree
from exchange.mapping import Maps, load_maps
from exchange.mapping.comparing import changes
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files
from exchange.pipeline.map import map_source

_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./~^@{}-]*")


@dataclass(frozen=True, slots=True)
class Difference:
    """(what happens, element, type or issue, how often); resources are counted, for issues records."""

    partner: str
    records: int
    changed: int
    changes: list[tuple[str, str, int]]


def difference(exchange: Exchange, code: str, since: datetime, against: str) -> Difference:
    """The maps of `against` (a folder like mappings/ or a git revision) compared with those of today."""
    partner = find_partner(exchange.partners, code)
    new, old = exchange.work.maps(partner), _old_maps(exchange, partner, against)
    counts: Counter[tuple[str, str]] = Counter()
    records = changed = 0
    for record, refused in retained(exchange, partner, since=since):
        if refused is not None:
            continue
        found = list(changes(map_source(record, old)[0], map_source(record, new)[0]))
        records, changed = records + 1, changed + bool(found)
        counts.update(found)
    gone = sorted(old.partner.feeds.keys() - partner.feeds.keys())
    for feed, count in retained_of(exchange, partner, gone, since).items():
        counts["issue", f"its feed `{feed}` is not in partner.yaml any more, so that no map reads it"] = count
        records, changed = records + count, changed + count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Difference(code, records, changed, [(kind, what, count) for (kind, what), count in ranked])


def _old_maps(exchange: Exchange, partner: Partner, against: str) -> Maps:
    files = old_mappings(exchange.settings.home, against)
    before = load_partners(files).get(partner.code)
    if before is None:
        raise ContentError("the partner was not there", file=f"mappings/{partner.code}", field=against)
    return load_maps(files, before)


def old_mappings(home: Path, against: str) -> Files:
    """Content of a folder like mappings/, or of mappings/ at a git revision; ContentError for neither."""
    if against and Path(against).is_dir():
        return read_tree(Path(against))
    if not _REVISION.fullmatch(against):
        raise ContentError("neither a folder nor a git revision", field="--against")
    done = subprocess.run(
        ["git", "-C", str(home), "archive", "--format=tar", against, "mappings"],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ContentError(
            "neither a folder nor a git revision that holds mappings/", field=f"--against {against}"
        )
    return _unpacked(done.stdout)


def _unpacked(archive: bytes) -> Files:
    files: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in members:
            path = Path(member.name)
            held = members.extractfile(member) if member.isfile() else None
            if (
                held
                and path.suffix in (".yaml", ".csv", ".json")
                and not {"samples", "expected"} & set(path.parts)
            ):
                files["/".join(path.parts[1:])] = held.read().decode()
    return files
