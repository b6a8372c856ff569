"""Writes `hierarchies.csv`: what R4's own code systems put below which code (definitions are CC0).

`python -m exchange.repository.reading.generate_hierarchies hl7.fhir.r4.core-4.0.1.tgz`, the package of
https://hl7.org/fhir/R4/downloads.html. SNOMED CT, LOINC and ICD are not in it.
"""

from __future__ import annotations

import csv
import io
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from exchange.repository.storage.parameters import parameters

_READ = ("package/CodeSystem-", "package/ValueSet-", "package/StructureDefinition-")

FILE = Path(__file__).with_name("hierarchies.csv")


def below(concepts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(parent, code), by nesting or by a property that names the parent."""
    for concept in concepts:
        inner = concept.get("concept", ())
        yield from ((concept["code"], child["code"]) for child in inner)
        yield from below(inner)
        for told in concept.get("property", ()):
            if told["code"] in ("subsumedBy", "parent") and "valueCode" in told:
                yield told["valueCode"], concept["code"]


def systems(definition: Mapping[str, Any], by_url: Mapping[str, Any]) -> Iterator[str]:
    """Code systems of the value sets to which elements of a type are bound."""
    bound = [e["binding"].get("valueSet", "") for e in definition["snapshot"]["element"] if "binding" in e]
    for url in bound:
        yield from _of_value_set(url, by_url)


def _of_value_set(url: str, by_url: Mapping[str, Any]) -> Iterator[str]:
    for part in by_url.get(url.partition("|")[0], {}).get("compose", {}).get("include", ()):
        if "system" in part:
            yield part["system"]
        for inner in part.get("valueSet", ()):
            yield from _of_value_set(inner, by_url)


def text(package: Path) -> str:
    """The table as CSV: a system, a code, and those directly below it."""
    with tarfile.open(package) as members:
        read = [
            orjson.loads(held.read())
            for member in members
            if member.name.startswith(_READ) and (held := members.extractfile(member))
        ]
    by_url = {one["url"]: one for one in read}
    served = [by_url[f"http://hl7.org/fhir/StructureDefinition/{name}"] for name in parameters()]
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for url in sorted({url for one in served for url in systems(one, by_url)}):
        for parent, code in below(by_url.get(url, {}).get("concept", ())):
            found[url, parent].add(code)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("system", "code", "below"))
    writer.writerows((*key, " ".join(sorted(codes))) for key, codes in sorted(found.items()))
    return out.getvalue()


if __name__ == "__main__":
    FILE.write_text(text(Path(sys.argv[1])), "utf-8")
