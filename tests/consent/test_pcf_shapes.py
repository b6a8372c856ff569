"""The shapes of Consent that IHE PCF publishes, each answered; its own files are tried in test_external.py.

https://profiles.ihe.net/ITI/PCF/artifacts.html. Where PCF widens a permit by a nested permit, this exchange
does not: a child applies only inside its parent.
"""

import pytest

from exchange.consent import decide
from exchange.consent.directives.matching import Surroundings, matched
from tests.consent.builders import chosen, consent, provision, record, viewer

TPO = ["TREAT", "HPAYMT", "HOPERAT"]
YEAR = {"start": "2022-01", "end": "2022-12"}
WROTE = {"meaning": "authoredby", "reference": {"reference": "Practitioner/dr"}}
VISIT = {"meaning": "related", "reference": {"reference": "Encounter/e"}}
DRINKS = {"meaning": "instance", "reference": {"reference": "Observation/alcohol"}}


def observation(name="o", when="2022-06-01", **elements):
    return {"resourceType": "Observation", "id": name, "effectiveDateTime": when, **elements}


def given(*children, kind="permit", **terms):
    return chosen(consent(provision=provision(kind, *children, **{"purpose": TPO, **terms})))


def answers(prof, *labels, purpose="TREAT", who="lakeside_hospital", body=None, level=None):
    """What prairie_clinic's record gets: `permit` or `deny`."""
    body = body or observation()
    level = level or ("R" if labels else "N")
    cls = record(prof, *labels, content=body, confidentiality=level)
    nowhere = Surroundings(lambda name: None, lambda name: None)
    assert cls.matched == matched(prof, body, nowhere)
    return lambda context, noon: decide(cls, viewer(who, purpose), context, noon).effect


BY_DR = observation(performer=[{"reference": "Practitioner/dr"}])
BY_OTHER = observation(performer=[{"reference": "Practitioner/other"}])
IN_VISIT = observation(encounter={"reference": "Encounter/e"})


@pytest.mark.parametrize(
    ("asked", "effect"),
    [
        # intermediate: timeframe and its negation
        (answers(given(dataPeriod=YEAR)), "permit"),
        (answers(given(dataPeriod=YEAR), body=observation(when="2023-01-01")), "deny"),
        (answers(given(provision("deny", dataPeriod=YEAR))), "deny"),
        (answers(given(provision("deny", dataPeriod=YEAR)), body=observation(when="2023-01-01")), "permit"),
        (
            answers(
                given(provision("deny", dataPeriod=YEAR)), body={"resourceType": "Observation", "id": "o"}
            ),
            "deny",
        ),
        # authored by and its negation; who wrote it must be known
        (answers(given(data=[WROTE]), body=BY_DR), "permit"),
        (answers(given(data=[WROTE]), body=BY_OTHER), "deny"),
        (answers(given(data=[WROTE])), "deny"),
        (answers(given(provision("deny", data=[WROTE])), body=BY_DR), "deny"),
        (answers(given(provision("deny", data=[WROTE])), body=BY_OTHER), "permit"),
        (answers(given(provision("deny", data=[WROTE]))), "deny"),
        # an encounter and its negation
        (answers(given(data=[VISIT]), body=IN_VISIT), "permit"),
        (answers(given(data=[VISIT])), "deny"),
        (answers(given(provision("deny", data=[VISIT])), body=IN_VISIT), "deny"),
        (answers(given(provision("deny", data=[VISIT]))), "permit"),
        # one record and its negation
        (answers(given(data=[DRINKS]), body=observation("alcohol")), "permit"),
        (answers(given(data=[DRINKS])), "deny"),
        (answers(given(provision("deny", data=[DRINKS])), body=observation("alcohol")), "deny"),
        (answers(given(provision("deny", data=[DRINKS]))), "permit"),
        # a dissent but for breaking the glass
        (answers(given(provision("permit", purpose=["BTG"]), kind="deny", purpose=[])), "deny"),
        (
            answers(given(provision("permit", purpose=["BTG"]), kind="deny", purpose=[]), purpose="BTG"),
            "permit",
        ),
        # advanced: normal, normal and restricted, normal and not restricted
        (answers(given(label=["N"])), "permit"),
        (answers(given(label=["N"]), level="R"), "deny"),
        (answers(given(label=["N", "R"]), level="R"), "permit"),
        (answers(given(label=["N", "R"]), level="V"), "deny"),
        (answers(given(provision("deny", label=["R"]), label=["N"])), "permit"),
        (answers(given(provision("deny", label=["R"]), label=["N"]), level="R"), "deny"),
        # focused: a permit inside a narrower permit widens nothing
        (
            answers(
                given(provision("permit", label=["R"], to=["lakeside_hospital"]), label=["N"]), level="R"
            ),
            "deny",
        ),
        (
            answers(given(provision("permit", label=["PSY"], to=["lakeside_hospital"]), label=["N"]), "PSY"),
            "deny",
        ),
        # the same said as an exception to a denial opens it to whom it names
        (
            answers(
                given(provision("deny", provision("permit", to=["lakeside_hospital"]), label=["PSY", "SDV"])),
                "PSY",
            ),
            "permit",
        ),
        (
            answers(
                given(provision("deny", provision("permit", to=["lakeside_hospital"]), label=["PSY", "SDV"])),
                "SDV",
                who="southside_clinic",
            ),
            "deny",
        ),
    ],
)
def test_each_published_shape_is_answered(context, noon, asked, effect):
    assert asked(context, noon) == effect
