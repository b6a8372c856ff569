"""An independent validator (HAPI FHIR, which carries HL7's own) agrees on what is valid base FHIR R4.

It is fetched and compiled when the test runs; docs/validation.md lists where the two disagree and why.
"""

from __future__ import annotations

import copy
import json
import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from exchange.validation import validate
from tests.validation.strategies import DEFECTS, changed, places

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ("java", "javac", "mvn")
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="needs a JDK and Maven"),
]
KNOWN = {
    ("Patient.communication.language", "http://hl7.org/fhir/ValueSet/languages"): "a preferred binding",
    ("Consent.category", "v3-ActCode#HIPAAAuthCD"): "a code newer than the validator's v3-ActCode",
}
TELLING = (
    "gone",
    "null",
    "object",
    "blank",
    "month 13",
    "30 February",
    "unknown element",
    "bad id",
    "wrapped",
)
MUTANTS = 150


@pytest.fixture(scope="module")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("parity")
    for name in ("pom.xml", "Parity.java"):
        shutil.copy(HERE / "parity" / name, folder)
    fetched = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if fetched.returncode:
        pytest.skip("the validator cannot be fetched from a Maven repository")
    found = f"{folder}:{folder}/lib/*"
    subprocess.run(["javac", "-cp", found, "Parity.java"], cwd=folder, check=True)
    return found


def _published() -> list[dict[str, Any]]:
    """Each resource of the expected outputs once, without its profiles: base FHIR is asked about."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "mappings").glob("*/expected/*/*.json")):
        for output in json.loads(path.read_text(encoding="utf-8")):
            if any(issue["severity"] in ("error", "fatal") for issue in output.get("issues", [])):
                continue
            for resource in copy.deepcopy(output.get("resources", [])):
                resource.get("meta", {}).pop("profile", None)
                found[json.dumps(resource)] = resource
    return list(found.values())


def _errors(resources: list[dict[str, Any]], classpath: str) -> dict[int, list[tuple[str, str]]]:
    """(location, words) of the validator's errors by number of the resource."""
    lines = "".join(json.dumps(resource) + "\n" for resource in resources)
    done = subprocess.run(
        ["java", "-cp", classpath, "Parity"], input=lines.encode(), capture_output=True, check=True
    )
    out: dict[int, list[tuple[str, str]]] = {}
    for line in done.stdout.decode().splitlines():
        number, severity, where, words = line.split("\t", 3)
        if severity in ("ERROR", "FATAL") and not _is_known(where, words):
            out.setdefault(int(number), []).append((where, words))
    return out


def _is_known(where: str, words: str) -> bool:
    where = re.sub(r"\[\d+\]", "", where)
    return any(where.startswith(place) and part in words for place, part in KNOWN)


def test_the_validator_finds_no_error_in_what_is_published(classpath: str) -> None:
    resources = _published()

    found = _errors(resources, classpath)

    assert len(resources) > 100
    assert [(resources[number]["resourceType"], errors) for number, errors in found.items()] == []


def test_the_two_agree_on_nearly_all_mutants(classpath: str) -> None:
    mutants = _mutants()
    ours = [any(issue.severity == "error" for issue in validate(resource)) for _, resource in mutants]

    theirs = _errors([resource for _, resource in mutants], classpath)

    looser = [mutants[n][0] for n in range(len(mutants)) if n in theirs and not ours[n]]
    stricter = [mutants[n][0] for n in range(len(mutants)) if ours[n] and n not in theirs]
    print(f"{len(mutants)} mutants, {sum(ours)} refused by us, {len(theirs)} by the validator")
    print("refused by the validator only:", Counter(looser), "by us only:", Counter(stricter))
    assert sum(ours) > len(mutants) // 2
    assert len(looser) <= len(mutants) // 50
    assert len(stricter) <= len(mutants) // 10


def _mutants() -> list[tuple[str, dict[str, Any]]]:
    """Broken copies, always the same, named by type, place and defect."""
    draw = random.Random(7)
    resources = _published()
    out = []
    while len(out) < MUTANTS:
        whole = draw.choice(resources)
        path = draw.choice(list(places(whole)))
        if path[0] in ("resourceType", "text"):
            continue
        defect = draw.choice(TELLING)
        name = ".".join(step for step in path if isinstance(step, str))
        out.append((f"{whole['resourceType']}.{name}: {defect}", changed(whole, path, DEFECTS[defect])))
    return out
