"""Asks HAPI FHIR's validator, which carries HL7's own; it is fetched and compiled when first asked."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOOLS = ("java", "javac", "mvn")
# What needs terminology that nothing at hand carries (LOINC, SNOMED CT, VSAC).
_NO_TERMINOLOGY = re.compile(
    r"not found in the value set|Unable to expand|None of the codings provided|ValueSet '.+' not found"
    r"|UnknownCodeSystem|could not be found, so the code cannot be validated"
)


@dataclass(frozen=True)
class Disagreement:
    """A row of known.csv: where, by which words of the validator's it is known, and for the page why."""

    place: str
    said: str
    refuses: str
    example: str
    why: str


def known() -> list[Disagreement]:
    with (HERE / "known.csv").open(encoding="utf-8") as lines:
        return [Disagreement(**row) for row in csv.DictReader(lines)]


def fetch(folder: Path) -> str | None:
    """The class path of the compiled judge; None where no Maven repository is reached."""
    for name in ("pom.xml", "Parity.java"):
        shutil.copy(HERE / name, folder)
    fetched = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if fetched.returncode:
        return None
    found = f"{folder}:{folder}/lib/*"
    subprocess.run(["javac", "-cp", found, "Parity.java"], cwd=folder, check=True)
    return found


def errors(
    resources: Sequence[dict[str, Any]], classpath: str, *packages: str
) -> dict[int, list[tuple[str, str]]]:
    """(location, words) of the validator's errors by number of the resource, those of known.csv left out."""
    lines = "".join(json.dumps(resource) + "\n" for resource in resources)
    done = subprocess.run(
        ["java", "-cp", classpath, "Parity", *packages], input=lines.encode(), capture_output=True, check=True
    )
    out: dict[int, list[tuple[str, str]]] = {}
    for number, where, words in _told(done.stdout.decode()):
        out.setdefault(number, []).append((where, words))
    return out


def _told(output: str) -> Iterator[tuple[int, str, str]]:
    rows = known()
    for line in output.splitlines():
        number, severity, where, words = line.split("\t", 3)
        place = re.sub(r"\[\d+\]", "", where)
        is_known = any(place.startswith(row.place) and row.said and row.said in words for row in rows)
        if severity in ("ERROR", "FATAL") and not is_known and not _NO_TERMINOLOGY.search(words):
            yield int(number), where, words
