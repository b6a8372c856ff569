"""What a Binary of a Bundle holds is told with the record that shows it, and protected as that record is."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import orjson
import pytest

from exchange.consent import parse_rules
from exchange.consent.labels.labelling import Source, label
from exchange.consent.labels.narrative import without_free_text
from exchange.content import read_tree
from tests.mapping.support import id_of
from tests.mapping.test_fhir import bundle, taken

NOTE = b64encode(b"Seen for heroin dependence.").decode()
R = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
URN = "urn:uuid:0f2ab3a6-2f0f-4f3e-9d3e-0d2f1f6a0001"


def document(*urls: str, **elements) -> dict:
    content = [{"attachment": {"url": url}} for url in urls]
    return {"resourceType": "DocumentReference", "id": "d", "content": content, **elements}


def binary(key: str = "b", **elements) -> dict:
    return {"resourceType": "Binary", "id": key, "contentType": "text/plain", "data": NOTE, **elements}


def told(*entries: dict) -> dict[str, dict]:
    found = taken(bundle(*entries)).resources
    return {one["resourceType"]: one for one in found}


@pytest.mark.parametrize(
    ("url", "full_url"),
    [("Binary/b", None), (URN, URN), ("https://x.example/Binary/b", "https://x.example/Binary/b")],
)
def test_an_attachment_gets_its_content_and_the_binary_is_no_record(url, full_url):
    found = told(
        {"resource": document(url)}, {"resource": binary(), **({"fullUrl": full_url} if full_url else {})}
    )
    assert found.keys() == {"DocumentReference"}
    (content,) = found["DocumentReference"]["content"]
    assert content["attachment"] == {"data": NOTE, "contentType": "text/plain"}


def test_a_binary_that_is_shown_a_thousand_times_is_not_a_thousand_copies():
    found = told({"resource": document(*["Binary/b"] * 1000)}, {"resource": binary()})
    attachments = [content["attachment"] for content in found["DocumentReference"]["content"]]
    assert [("data" in each, "url" in each) for each in attachments[9:11]] == [(True, False), (False, True)]
    assert sum("data" in each for each in attachments) == 10


def test_a_report_and_a_document_may_show_the_same():
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "presentedForm": [{"url": "Binary/b", "title": "page"}],
    }
    found = told({"resource": report}, {"resource": binary()}, {"resource": document("Binary/b")})
    assert found["DiagnosticReport"]["presentedForm"][0]["data"] == NOTE
    assert found["DiagnosticReport"]["presentedForm"][0]["title"] == "page"
    assert found["DocumentReference"]["content"][0]["attachment"]["data"] == NOTE


def test_how_a_binary_is_protected_holds_for_what_shows_it():
    found = told(
        {"resource": document("Binary/b", meta={"tag": [R]})}, {"resource": binary(meta={"security": [R]})}
    )
    meta = found["DocumentReference"]["meta"]
    assert (meta["tag"], meta["security"]) == ([R], [R])


@pytest.mark.parametrize(
    "other", [binary("another"), {"resourceType": "Binary", "id": "b", "contentType": "text/plain"}]
)
def test_a_binary_that_nothing_shows_or_that_holds_nothing_stays_as_it_is(other):
    found = told({"resource": document("Binary/b")}, {"resource": other})
    assert found["DocumentReference"]["content"] == [
        {"attachment": {"url": f"Binary/{id_of('Binary', 'b')}"}}
    ]
    assert found["Binary"]["id"] == id_of("Binary", other["id"])


def test_an_attachment_that_says_something_itself_keeps_it():
    own = {"url": "Binary/b", "data": "b3du"}
    found = told({"resource": document() | {"content": [{"attachment": own}]}}, {"resource": binary()})
    assert found["DocumentReference"]["content"][0]["attachment"]["data"] == "b3du"
    assert "Binary" in found


def test_the_words_of_the_content_label_the_record_and_the_agreement_keeps_them_out():
    rules = parse_rules(read_tree(Path(__file__).parents[2] / "consent"))
    found = told({"resource": document("Binary/b")}, {"resource": binary()})["DocumentReference"]
    assert "OPIOIDUD" in label(found, Source("example", "clinic", False, "resources"), rules).codes
    kept = {way: without_free_text(found, way, rules) for way in ("withheld", "screened", "released")}
    assert [NOTE in orjson.dumps(one).decode() for one in kept.values()] == [False, False, True]
