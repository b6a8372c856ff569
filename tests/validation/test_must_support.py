import tarfile
from pathlib import Path

import orjson
import pytest

from exchange.model.terms import US_CORE_PROFILE
from exchange.validation.must_support import must_supports, never_filled

PACKAGE = Path(__file__).parents[3] / "shared/data/uscore_packages/us_core_610.tgz"


def test_an_element_is_filled_when_any_resource_of_the_profile_fills_it():
    profile = {"profile": [US_CORE_PROFILE + "us-core-condition-problems-health-concerns|6.1.0"]}
    one = {"resourceType": "Condition", "meta": profile, "onsetDateTime": "2026"}
    other = {"resourceType": "Condition", "meta": profile, "code": {"text": "x"}}

    empty = never_filled([one, other])["us-core-condition-problems-health-concerns"]

    assert not {"Condition.code", "Condition.onset[x]"} & set(empty)
    assert "Condition.subject" in empty


def test_a_resource_of_no_us_core_profile_is_asked_for_nothing():
    assert never_filled([{"resourceType": "Task"}]) == {}


@pytest.mark.external
@pytest.mark.skipif(not PACKAGE.exists(), reason="the US Core package is not here")
def test_the_table_is_what_the_package_says():
    published = {}
    with tarfile.open(PACKAGE) as archive:
        for member in archive:
            if member.name.startswith("package/StructureDefinition-us-core"):
                definition = orjson.loads(archive.extractfile(member).read())
                paths = {
                    element["path"]
                    for element in definition["snapshot"]["element"][1:]
                    if element.get("mustSupport")
                    and ":" not in element["id"]
                    and "xtension" not in element["path"]
                }
                if definition["kind"] == "resource" and paths:
                    published[definition["id"]] = paths

    assert {name: set(paths) for name, paths in must_supports().items()} == published
