"""Screenings as tables become what Gravity's published questionnaires and answers say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.content import read_tree
from exchange.mapping import Maps, load_maps, map_record
from exchange.mapping.golden import shared_maps
from exchange.model.records import Mapped, SourceRecord
from tests.content.mapping import ROOT, codes, errors, of_type

SHARED = Path(os.environ.get("EXCHANGE_SHARED", Path(__file__).parents[3] / "shared")) / "data/gravity_sdoh"
PUBLISHED = {
    "screening_prapare": "SDOHCC-QuestionnaireResponsePRAPAREExample",
    "screening_hunger_vital_sign": "SDOHCC-QuestionnaireResponseHungerVitalSignExample",
}


@cache
def maps() -> Maps:
    files = read_tree(ROOT)
    return load_maps(files, shared_maps(files))


def screened(feed: str, row: dict[str, str]) -> Mapped:
    base = {"screening_id": "S1", "patient_id": "P1", "screened_on": "2026-05-04"}
    return map_record(
        SourceRecord("_shared", feed, "k", "delimited", orjson.dumps(base | row), "row"), maps()
    )


def answered(items: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Question and answer of a QuestionnaireResponse: LOINC codes, or a number as text."""
    for item in items:
        for answer in item.get("answer", ()):
            coding = answer.get("valueCoding", {})
            number = answer.get("valueInteger", answer.get("valueDecimal"))
            if coding or number is not None:
                yield item["linkId"].rpartition("/")[2], coding.get("code") or str(number)
        yield from answered(item.get("item", ()))


def _value(observation: dict[str, Any]) -> str:
    if "valueQuantity" in observation:
        return str(observation["valueQuantity"]["value"])
    concept = observation.get("valueCodeableConcept") or observation["dataAbsentReason"]
    return codes(concept)[0]


@pytest.mark.skipif(not SHARED.exists(), reason="the published examples are not here")
@pytest.mark.parametrize("feed", PUBLISHED)
def test_the_published_answers_become_the_same_observations(feed):
    response = json.loads((SHARED / f"QuestionnaireResponse-{PUBLISHED[feed]}.json").read_text("utf-8"))
    told = list(answered(response["item"]))
    row: dict[str, str] = {}
    for question, answer in told:
        row[question] = f"{row[question]};{answer}" if question in row else answer
    found = screened(feed, row)
    made = [o for o in of_type(found, "Observation") if "hasMember" not in o]
    (panel,) = [o for o in of_type(found, "Observation") if "hasMember" in o]
    said = {(codes(o["code"])[0], _value(o)) for o in made if "dataAbsentReason" not in o}
    assert said == {(q, a) for q, a in told if a not in ("LA30122-8", "LA30257-2", "LA15775-2")}
    assert len(panel["hasMember"]) == len(made) == len(told)
    assert errors(found) == []


def test_what_is_needed_follows_from_the_answers_and_waits_for_somebody_to_confirm_it():
    found = screened("screening_ahc_hrsn", {"71802-3": "LA31995-6", "96779-4": "No", "goal": "A place"})
    (condition,) = of_type(found, "Condition")
    (goal,) = of_type(found, "Goal")
    assert codes(condition["code"]) == ["Z59.00"]
    assert codes(condition["verificationStatus"]) == ["unconfirmed"]
    assert goal["addresses"] == [{"reference": f"Condition/{condition['id']}"}]
    assert errors(found) == []


def test_a_referral_is_a_request_and_a_task_about_the_concern():
    row = {"referral_id": "R1", "need": "food", "referred_on": "2026-05-04", "status": "declined"}
    concern = of_type(screened("screening_hunger_vital_sign", {"88124-3": "At risk"}), "Condition")[0]["id"]
    found = screened("sdoh_referral", row | {"condition_key": "S1|food-insecurity"})
    (request,), (task,) = of_type(found, "ServiceRequest"), of_type(found, "Task")
    assert (request["status"], task["status"]) == ("revoked", "rejected")
    assert request["reasonReference"] == [{"reference": f"Condition/{concern}"}]
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert errors(found) == []
