"""Modifiers, units, pairs, several sort keys and parts of resources. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
import pytest
from repository_world import BASE, HOSPITAL, KEY, observation

from exchange.model.ids import resource_id
from exchange.repository import BadSearch, search

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
KEYS = ["mass", "grams", "other", "text", "pressure"]
NAMES = {resource_id("https://hospital.example/", "Observation", key): key for key in KEYS}


def _amount(value, code):
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def _component(code, value):
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": _amount(value, "mm[Hg]")}


@pytest.fixture(scope="module")
def ask(shared_world):
    """Asks about five Observations and three Patients."""
    w = shared_world
    people = [
        w.patient("hospital", str(n), name=[{"family": family}], birthDate=birth)
        for n, (family, birth) in enumerate([("Abel", "1990"), ("Abel", "1980"), ("Zorn", "1970")])
    ]
    code = {"coding": [{"system": LOINC, "code": "8480-6"}]}
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "10828004"}], "text": "Positive"}
    labels = {
        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-bmi|6.1.0"],
        "tag": [{"system": "urn:t", "code": "demo"}],
        "source": "https://hospital.example/feed",
    }
    logical = {"identifier": {"system": "urn:npi", "value": "7"}}
    literal = {
        "reference": f"Practitioner/{resource_id('https://h.example/', 'Practitioner', '1')}",
        **logical,
    }
    changes = {
        "mass": {"valueQuantity": _amount(5, "mg"), "meta": labels, "performer": [logical]},
        "grams": {
            "valueQuantity": {**_amount(0.005, "g"), "unit": "grams"},
            "code": code,
            "performer": [literal],
        },
        "other": {"valueQuantity": _amount(5, "[IU]"), "status": "amended"},
        "text": {"valueQuantity": None, "valueCodeableConcept": coded, "effectiveDateTime": "2026-11-01"},
        "pressure": {
            "valueQuantity": _amount(66.89999999999999, "[in_i]"),  # as exact as a float can be
            "component": [_component("8480-6", 120), _component("8462-4", 80)],
        },
    }
    for key, change in changes.items():
        body = {k: v for k, v in observation("hospital", people[0], key, **change).items() if v is not None}
        w.publish(w.item("hospital", body))

    def ask(kind, *asked):
        with w.as_viewer(HOSPITAL) as view:
            return search(view, kind, list(asked), BASE, KEY)

    return ask


def _found(page):
    return {NAMES[orjson.loads(entry.body)["id"]] for entry in page.entries}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("value-quantity", f"5|{UCUM}|mg", "mass grams"),
        ("value-quantity", f"0.005|{UCUM}|g", "mass grams"),
        ("value-quantity", f"5000|{UCUM}|ug", "mass grams"),
        ("value-quantity", f"gt4.9|{UCUM}|mg", "mass grams"),
        ("value-quantity", f"gt5|{UCUM}|mg", ""),
        ("value-quantity", f"5|{UCUM}|[IU]", "other"),
        ("value-quantity", "5||mg", "mass"),
        ("value-quantity", "5", "mass other"),
        ("value-quantity", "0.005||grams", "grams"),
        ("value-quantity", "0.005||g", "grams"),
        ("value-quantity", f"0.005|{UCUM}|grams", ""),
        ("value-quantity:missing", "false", "mass grams other pressure"),
        ("value-quantity", "66.89999999999999", "pressure"),
        ("value-quantity", f"66.89999999999999|{UCUM}|[in_i]", "pressure"),
        ("value-quantity", "66.89999999999998", ""),
        ("code-value-quantity", f"{LOINC}|8480-6$0.005|{UCUM}|g", "grams"),
        ("code-value-quantity", f"{LOINC}|2345-7$gt4|{UCUM}|mg", "mass"),
        ("code-value-concept", "2345-7$10828004", "text"),
        ("component-code-value-quantity", f"8480-6$gt100|{UCUM}|mm[Hg]", "pressure"),
        ("component-code-value-quantity", f"{LOINC}|8480-6$120", "pressure"),
        ("component-code-value-quantity", f"{LOINC}|8462-4$gt100|{UCUM}|mm[Hg]", ""),
        ("component-code-value-quantity", "8462-4$16|" + UCUM + "|kPa", ""),
        ("component-code-value-quantity", "8480-6$16.0|" + UCUM + "|kPa", "pressure"),
        ("combo-code-value-quantity", "8480-6$120", "pressure"),
        ("combo-code-value-quantity", "8480-6$0.005", "grams"),
        ("combo-code", "8480-6", "grams pressure"),
        ("combo-code:not", "8480-6", "mass other text"),
        ("combo-value-quantity", "80", "pressure"),
        ("_profile", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-bmi|6.1.0", "mass"),
        ("_profile", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-bmi", "mass"),
        ("_profile:below", "http://hl7.org/fhir/us/core", "mass"),
        ("_profile:below", "http://hl7.org/fhir/us/co", ""),
        ("_source", "https://hospital.example/feed", "mass"),
        ("_source:above", "https://hospital.example/feed/part", "mass"),
        ("_tag", "urn:t|demo", "mass"),
        ("_tag:missing", "true", "grams other text pressure"),
        ("_security", "HIV", ""),
        ("status", "http://hl7.org/fhir/observation-status|amended", "other"),
        ("status:not", "http://hl7.org/fhir/observation-status|final", "other"),
        ("status", "http://hl7.org/fhir/observation-status|", "mass grams other text pressure"),
        ("status", "|amended", "other"),
        ("status", "http://hl7.org/fhir/encounter-status|amended", ""),
        ("code", "http://hl7.org/fhir/observation-status|8480-6", ""),
        ("status:below", "http://hl7.org/fhir/observation-status|amended", "other"),
        ("status:above", "corrected", "other"),
        ("status:below", "http://hl7.org/fhir/observation-status|corrected", ""),
        ("status:in", "http://hl7.org/fhir/ValueSet/observation-status", "mass grams other text pressure"),
        ("status:not-in", "http://hl7.org/fhir/ValueSet/observation-status", ""),
        ("performer:identifier", "urn:npi|7", "mass"),
        ("value-quantity:missing", "true", "text"),
        ("date", "ap2026-11-20", "mass grams other pressure"),
    ],
)
def test_values_are_compared_as_the_standard_says(ask, name, value, found):
    page = ask("Observation", (name, value))
    assert (page.unknown, _found(page)) == ((), set(found.split()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status:in", "http://example.org/ValueSet/mine"),
        ("code:above", "1"),
        ("code:below", "http://loinc.org|2345-7"),
        ("status:below", "http://hl7.org/fhir/observation-status|"),
        ("encounter:below", "Practitioner/7"),
        ("specimen:below", "7"),
        ("code:text", "glucose"),
        ("value-string", " "),
        ("value-string", "glucose,"),
        ("value-string:contains", "\N{COMBINING ACUTE ACCENT}"),
        ("code-value-quantity", "8480-6"),
        ("code-value-quantity:missing", "true"),
        ("component-code-value-quantity", "http://loinc.org|$5"),
        ("patient:identifier", "1"),
        ("encounter:Patient", "1"),
        ("_sort", "status"),
        ("_sort", "date,date,date,date,date,date"),
        ("_summary", "some"),
    ],
)
def test_what_cannot_be_compared_is_refused(ask, name, value):
    with pytest.raises(BadSearch):
        ask("Observation", (name, value))


def _families(ask, sort, count):
    found, asked = [], [("_sort", sort), ("_count", str(count))]
    while asked:
        page = ask("Patient", *asked)
        people = [orjson.loads(e.body) for e in page.entries]
        found += [p["name"][0]["family"][0] + p["birthDate"][2] for p in people]
        asked = parse_qsl(urlsplit(page.next).query) if page.next else []
    return found


@pytest.mark.parametrize("count", [1, 2, 10])
def test_patients_are_sorted_by_several_keys_in_pages(ask, count):
    assert _families(ask, "family,birthdate", count) == ["A8", "A9", "Z7"]
    assert _families(ask, "family,-birthdate", count) == ["A9", "A8", "Z7"]
    assert _families(ask, "-family,birthdate", count) == ["Z7", "A8", "A9"]


def test_an_order_as_fhir_wrote_it_before_r4_is_the_same(ask):
    former = ask("Patient", ("_sort:asc", "family"), ("_sort:desc", "birthdate"))
    now = ask("Patient", ("_sort", "family,-birthdate"))
    assert [entry.full_url for entry in former.entries] == [entry.full_url for entry in now.entries]
    with pytest.raises(BadSearch):
        ask("Patient", ("_sort:desc", "height"))


@pytest.mark.parametrize(
    "sort", ["value-quantity,-date", "-value-quantity,_id", "-date,value-quantity", "-_lastUpdated"]
)
def test_pages_of_any_order_hold_everything_once(ask, sort):
    whole = [orjson.loads(e.body)["id"] for e in ask("Observation", ("_sort", sort)).entries]
    paged, asked = [], [("_sort", sort), ("_count", "2")]
    while asked:
        page = ask("Observation", *asked)
        paged += [orjson.loads(e.body)["id"] for e in page.entries]
        asked = parse_qsl(urlsplit(page.next).query) if page.next else []
    assert paged == whole
    assert len(whole) == 5


def test_a_summary_is_what_the_standard_marks_and_what_must_be_there(ask):
    body = orjson.loads(ask("Observation", ("_summary", "true"), ("_tag", "demo")).entries[0].body)
    assert body.keys() == {"resourceType", "id", "meta", "status", "code", "subject", "effectiveDateTime",
                           "valueQuantity", "performer"}  # fmt: skip
    text = orjson.loads(ask("Observation", ("_summary", "text"), ("_tag", "demo")).entries[0].body)
    assert text.keys() == {"resourceType", "id", "meta", "status", "code"}
    assert text["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_an_estimate_is_a_total(ask):
    assert ask("Observation", ("_total", "estimate"), ("_count", "1")).total == 5


def test_what_is_asked_is_escaped_in_the_next_link(ask):
    page = ask("Observation", ("code:not", "a&b=c"), ("_count", "1"))
    assert urlencode([("code:not", "a&b=c")]) in page.next


def test_of_several_values_the_one_counts_that_comes_first_in_the_order_asked_for(world):
    """https://hl7.org/fhir/R4/search.html#_sort"""
    wide = world.patient("hospital", "wide", name=[{"given": ["Zoe", "Anna"]}])
    middle = world.patient("hospital", "middle", name=[{"given": ["Mia"]}])
    again = {"effectiveTiming": {"event": ["2026-01-01", "2026-12-01"]}, "effectiveDateTime": None}
    for patient, changes in ((wide, again), (middle, {"effectiveDateTime": "2026-06-01"})):
        written = {**observation("hospital", patient, patient, **changes)}
        world.publish(world.item("hospital", {k: v for k, v in written.items() if v is not None}))

    def first(kind, sort):
        with world.as_viewer(HOSPITAL) as view:
            entry = search(view, kind, [("_sort", sort)], BASE, KEY).entries[0]
        return orjson.loads(entry.body)

    for sort in ("given", "-given"):
        assert first("Patient", sort)["name"][0]["given"] == ["Zoe", "Anna"]
    for sort in ("date", "-date"):
        assert "effectiveTiming" in first("Observation", sort)
