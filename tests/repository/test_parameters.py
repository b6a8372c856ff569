"""The table of search parameters is what the published definitions say, and its hashes tell all apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange.repository import parameters
from exchange.repository.storage.generate_parameters import FILE, read, text

SHARED = Path(os.environ.get("EXCHANGE_SHARED", Path(__file__).parents[3] / "shared"))


def test_no_two_parameters_share_a_key():
    keys = [parameter.key for of_type in parameters().values() for parameter in of_type.values()]
    assert len(keys) == len(set(keys))


def test_a_choice_of_types_becomes_one_path_for_each():
    places = parameters()["Condition"]["onset-date"].places
    assert {place.path for place in places} == {("onsetDateTime",), ("onsetPeriod",)}


@pytest.mark.external
def test_the_table_comes_out_the_same_from_the_published_definitions():
    published = SHARED / "data" / "fhir_r4_spec" / "search-parameters.json"
    if not published.exists():
        pytest.skip("the published definitions are not here")
    assert text(read([published])) == FILE.read_text("utf-8")
