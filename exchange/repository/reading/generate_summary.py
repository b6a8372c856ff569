"""Writes `summary_elements.csv`: which elements of a type R4 marks as its summary (definitions are CC0).

`python -m exchange.repository.reading.generate_summary hl7.fhir.r4.core-4.0.1.tgz`, the package of
https://hl7.org/fhir/R4/downloads.html. Only elements of the resource itself count, each whole.
"""

from __future__ import annotations

import csv
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import orjson

from exchange.repository.storage.parameters import parameters

FILE = Path(__file__).with_name("summary_elements.csv")


def rows(definition: dict[str, Any]) -> list[tuple[str, str]]:
    """(type, element) of a StructureDefinition's summary."""
    name = definition["id"]
    elements = [e for e in definition["snapshot"]["element"] if e["path"].count(".") == 1]
    return [(name, e["path"].removeprefix(f"{name}.")) for e in elements if e.get("isSummary")]


def text(package: Path) -> str:
    """The table as CSV."""
    found: list[tuple[str, str]] = []
    with tarfile.open(package) as members:
        for name in sorted({*parameters(), "Provenance"}):
            held = members.extractfile(f"package/StructureDefinition-{name}.json")
            found += rows(orjson.loads(held.read())) if held else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("type", "element"))
    writer.writerows(found)
    return out.getvalue()


if __name__ == "__main__":
    FILE.write_text(text(Path(sys.argv[1])), "utf-8")
