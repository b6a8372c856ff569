"""An independent validator agrees on what is valid FHIR R4, and on what US Core's profiles demand.

docs/validation.md lists where the two disagree and why; `parity/known.csv` holds the same rows.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.validation import validate
from tests.validation.parity import judge
from tests.validation.published import ROOT, Published, published
from tests.validation.strategies import DEFECTS, changed, places

SHARED = Path(os.environ.get("EXCHANGE_SHARED", ROOT.parent / "shared"))
US_CORE = SHARED / "data/uscore_packages/us_core_610.tgz"
external = [
    pytest.mark.external,
    pytest.mark.skipif(not all(map(shutil.which, judge.TOOLS)), reason="needs a JDK and Maven"),
]
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
MUTANTS = 300
PEOPLE = 60


@pytest.fixture(scope="module")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("parity")
    found = judge.fetch(folder)
    if found is None:
        pytest.skip("the validator cannot be fetched from a Maven repository")
    if US_CORE.exists():
        shutil.copy(US_CORE, folder)
    yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """All that the coalition publishes, each rendition once."""
    found = published(tmp_path_factory.mktemp("coalition"), PEOPLE)
    return list({json.dumps(resource): (partner, resource) for partner, resource in found}.values())


def test_the_page_lists_the_disagreements_that_the_test_knows() -> None:
    page = (ROOT / "docs/validation.md").read_text(encoding="utf-8")
    rows = [f"| `{row.place}` {row.example} | {row.refuses} | {row.why} |" for row in judge.known()]
    assert [row for row in rows if row not in page] == []


class TestBaseFhir:
    pytestmark = external

    def test_the_validator_finds_no_error_in_what_any_partner_publishes(
        self, everything: Published, classpath: str
    ) -> None:
        resources = [_without_profiles(resource) for _, resource in everything]

        found = judge.errors(resources, classpath)

        kinds = {(partner, resource["resourceType"]) for partner, resource in everything}
        print(f"{len(resources)} resources, {len(kinds)} kinds of {len({p for p, _ in kinds})} partners")
        assert len(kinds) > 100
        assert [(resources[number]["resourceType"], told) for number, told in found.items()] == []

    def test_the_two_agree_on_nearly_all_mutants(self, everything: Published, classpath: str) -> None:
        mutants = _mutants([_without_profiles(resource) for _, resource in everything], TELLING, depth=99)
        ours = [any(issue.severity == "error" for issue in validate(resource)) for _, resource in mutants]

        theirs = judge.errors([resource for _, resource in mutants], classpath)

        looser = [mutants[n][0] for n in range(len(mutants)) if n in theirs and not ours[n]]
        stricter = [mutants[n][0] for n in range(len(mutants)) if ours[n] and n not in theirs]
        print(f"{len(mutants)} mutants, {sum(ours)} refused by us, {len(theirs)} by the validator")
        print("refused by the validator only:", Counter(looser), "by us only:", Counter(stricter))
        assert sum(ours) > len(mutants) // 2
        assert len(looser) <= len(mutants) // 33
        assert len(stricter) <= len(mutants) // 10


@pytest.mark.skipif(not US_CORE.exists(), reason="the US Core package is not here")
class TestUsCore:
    pytestmark = external

    def test_the_validator_and_the_table_warn_of_the_same_resources(
        self, everything: Published, classpath: str
    ) -> None:
        resources = [resource for _, resource in everything if resource["meta"].get("profile")]

        theirs = set(judge.errors(resources, classpath, US_CORE.name))

        ours = {number for number, resource in enumerate(resources) if _demanded(resource)}
        told = [(resources[n]["resourceType"], resources[n]["id"]) for n in ours ^ theirs]
        print(f"{len(resources)} resources, {len(ours)} warned of by us, {len(theirs)} by the validator")
        assert told == []

    def test_the_two_miss_the_same_elements(self, everything: Published, classpath: str) -> None:
        profiled = [r for _, r in everything if r["meta"].get("profile") and not _demanded(r)]
        mutants = _mutants(profiled, ("gone",), depth=2)
        ours = {number for number, (_, resource) in enumerate(mutants) if _demanded(resource)}

        theirs = set(judge.errors([resource for _, resource in mutants], classpath, US_CORE.name))

        looser, stricter = (Counter(mutants[n][0] for n in only) for only in (theirs - ours, ours - theirs))
        print(f"{len(mutants)} lack an element, {len(ours)} told by us, {len(theirs)} by the validator")
        print("told by the validator only:", looser, "by us only:", stricter)
        assert len(theirs) > len(mutants) // 10
        assert looser.total() <= len(mutants) // 50
        assert stricter.total() <= len(mutants) // 50


def _demanded(resource: dict[str, Any]) -> bool:
    """Whether ours finds what R4 or US Core demands and the resource lacks."""
    return any(
        issue.severity == "error" or "US Core requires" in issue.detail or issue.detail.startswith("us-core-")
        for issue in validate(resource)
    )


def _without_profiles(resource: dict[str, Any]) -> dict[str, Any]:
    out = copy.deepcopy(resource)
    out["meta"].pop("profile", None)
    return out


def _mutants(
    resources: list[dict[str, Any]], defects: tuple[str, ...], depth: int
) -> list[tuple[str, dict[str, Any]]]:
    """Broken copies, always the same, named by type, place and defect; every type is as likely as another."""
    draw = random.Random(7)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        by_type.setdefault(resource["resourceType"], []).append(resource)
    out = []
    while len(out) < MUTANTS:
        whole = draw.choice(by_type[draw.choice(sorted(by_type))])
        path = draw.choice([path for path in places(whole) if len(path) <= depth])
        if path[0] in ("resourceType", "text", "meta"):
            continue
        defect = draw.choice(defects)
        name = ".".join(step for step in path if isinstance(step, str))
        out.append((f"{whole['resourceType']}.{name}: {defect}", changed(whole, path, DEFECTS[defect])))
    return out
