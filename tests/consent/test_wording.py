"""The words of a record however they are written down: blanks, accents, markup, character sets."""

import base64
from time import process_time

import pytest

from exchange.consent import Source, label
from exchange.consent.labels.findings import TEXTS
from exchange.consent.labels.narrative import without_free_text
from exchange.consent.labels.wording import words_of_document, words_of_markup
from exchange.model.fhir_types import fhir_type
from exchange.repository import parameters

SOMEWHERE = Source("anybody", "clinic", False, "resources")
NOBODY = "-"


def reveals(rules, **elements):
    found = label({"resourceType": "Condition", "id": "c", **elements}, SOMEWHERE, rules)
    return ",".join(sorted(found.codes)) or NOBODY


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("human  immunodeficiency\tvirus", "HIV"),
        ("human\u00a0immunodeficiency virus", "HIV"),
        ("sexually\r\n  transmitted", "STD"),
        ("H\u200bIV", "HIV"),
        ("HIV\u200bpositive", "HIV"),
        ("H\u00adIV", "HIV"),
        ("ＨＩＶ", "HIV"),
        ("violencia domestica", "SDV"),
        ("violencia doméstica", "SDV"),
        ("violencia dome\u0301stica", "SDV"),
        ("sifilis", "STD"),
        ("domestic\u2011violence", "SDV"),
        ("сифіліс", "STD"),
        ("зґвалтування", "SDV"),
        ("no alcohol\u00a0abuse", NOBODY),
        ("H.I.V.", "HIV"),
        ("H. I. V. disease", "HIV"),
        ("H-I-V", "HIV"),
        ("\u041d\u0406V", "HIV"),  # the first two are Cyrillic
        ("\u0397\u0399V", "HIV"),  # Greek
        ("\u0430lcohol abuse", "ETHUD"),
        ("no \u0430lcohol abuse", NOBODY),
        ("ВI\u041b", "HIV"),  # a Latin I within a Ukrainian word
        ("ні", NOBODY),
        ("harmful use of ethanol", "ETHUD"),
        ("Suboxine 8/2", "OPIOIDUD"),
        ("Yeztugo", "HIV"),
        ("Cobenfy", "MH"),
        ("bipolar hip hemiarthroplasty", NOBODY),
        ("bipolar II", "MH"),
        ("no fever\nalcohol abuse", "ETHUD"),
        ("No fever\r\n\r\nalcohol abuse", "ETHUD"),
        ("hearing\u00a0AIDS", NOBODY),
        ("blood glucose", NOBODY),
    ],
)
def test_words_are_the_same_words_however_they_are_set(rules, words, label):
    assert reveals(rules, code={"text": words}) == label


@pytest.mark.parametrize(
    ("div", "label"),
    [
        ("<div>HIV</div>", "HIV"),
        ("<div>H<b>I</b>V positive</div>", "HIV"),
        ("<div><span>HIV</span><span>positive</span></div>", "HIV"),
        ("<div>&#72;IV</div>", "HIV"),
        ("<div>domestic&#160;violence</div>", "SDV"),
        ("<div><img alt='HIV' src='a.png'/></div>", "HIV"),
        ('<div><a title="&#x48;IV" href="x">see</a></div>', "HIV"),
        ("<div>blood <b>glucose</b></div>", NOBODY),
    ],
)
def test_narrative_is_read_as_it_is_shown(rules, div, label):
    assert reveals(rules, text={"status": "generated", "div": div}) == label


def attached(text, kind="text/plain", charset="utf-8"):
    data = base64.b64encode(text.encode(charset) if isinstance(text, str) else text).decode()
    return {"contentType": kind, "data": data}


@pytest.mark.parametrize(
    ("attachment", "label"),
    [
        (attached("CD4 < 200, HIV known, load > 1000"), "HIV"),
        (attached("<p>H<i>I</i>V</p>", "text/html"), "HIV"),
        (attached('<code displayName="HIV disease"/>', "application/xml"), "HIV"),
        (attached("HIV", "text/plain; charset=UTF-16", "utf-16"), "HIV"),
        (attached("HIV", "text/plain", "utf-16"), "PDS"),
        (attached("HIV", "text/plain; charset=nonsense"), "HIV"),
        (attached("sífilis", "text/plain", "latin-1"), "STD"),
        (attached("CD4 < 200 > 100"), NOBODY),
        (attached(b"%PDF-1.4", "application/pdf"), "PDS"),
    ],
)
def test_a_document_is_read_in_its_character_set_or_protected(rules, attachment, label):
    assert reveals(rules, content=[{"attachment": attachment}]) == label


def test_what_is_screened_goes_however_it_is_marked_up(rules):
    for div in ("<div>H<b>I</b>V</div>", "<div>&#72;IV</div>", "<div>human  immunodeficiency</div>"):
        record = {"resourceType": "Condition", "id": "c", "text": {"status": "generated", "div": div}}
        assert "text" not in without_free_text(record, "screened", rules)
    plain = {"resourceType": "Condition", "id": "c", "text": {"status": "generated", "div": "<div>flu</div>"}}
    assert without_free_text(plain, "screened", rules) == plain


def test_a_tag_parts_words_or_stands_within_one():
    assert list(words_of_markup("<p>a<b>b</b></p><p>c</p>")) == [" a b   c ", " ab  c "]
    assert list(words_of_markup("<p>a</p>")) == [" a "]
    assert words_of_document("!!!", "application/pdf") is None


ICD = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.mark.parametrize(
    ("coding", "label"),
    [
        ({"system": f" {ICD} ", "code": " b20 ", "display": "chronic illness"}, "HIV"),
        ({"system": "HTTPS://HL7.org/fhir/sid/icd-10-cm/", "code": "B20", "display": "x"}, "HIV"),
        ({"system": "2.16.840.1.113883.6.90", "code": "B20", "display": "x"}, "HIV"),
        ({"system": "URN:OID:2.16.840.1.113883.6.90", "code": "B20", "display": "x"}, "HIV"),
        ({"system": "http://snomed.info/sct/731000124108", "code": "86406008", "display": "x"}, "HIV"),
        ({"system": "http://snomed.info/sctx", "code": "86406008"}, "PDS"),
        ({"system": "https://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}, NOBODY),
        ({"code": "B20"}, "PDS"),
        ({"code": "B20", "display": "HIV disease"}, "HIV"),
        ({"code": "E11.9", "display": "diabetes"}, NOBODY),
    ],
)
def test_a_code_is_of_its_system_however_that_is_spelt_and_of_none_is_not_read(rules, coding, label):
    assert reveals(rules, code={"coding": [coding]}) == label


def test_a_code_of_no_system_is_explained_by_the_words_beside_it(rules):
    assert reveals(rules, code={"coding": [{"code": "DM"}], "text": "diabetes"}) == NOBODY
    assert reveals(rules, extent={"value": 3, "unit": "cm", "code": "cm"}) == NOBODY


NO_WORDS = (
    "allowedString",
    "authorString",
    "businessArrangement",
    "carrierHRF",
    "city",
    "country",
    "data",
    "dependent",
    "deviceIdentifier",
    "distinctIdentifier",
    "district",
    "doseNumberString",
    "family",
    "given",
    "id",
    "linkId",
    "lotNumber",
    "manufacturer",
    "modelNumber",
    "partNumber",
    "postalCode",
    "preAuthRef",
    "prefix",
    "reference",
    "serialNumber",
    "seriesDosesString",
    "state",
    "subscriberId",
    "suffix",
    "unit",
    "value",
    "version",
)
"""Strings that are names of people and places, numbers, amounts."""

_DEFINITIONS = frozenset(
    ("Resource", "Expression", "DataRequirement", "TriggerDefinition", "ParameterDefinition")
)


def strings_of(kind, met):
    """Names of the elements of a type, and of what it is made of, that are strings or markdown."""
    if kind in met or kind in _DEFINITIONS:
        return
    met.add(kind)
    for name, element in fhir_type(kind).elements.items():
        if element.type in ("string", "markdown", "xhtml"):
            yield name
        elif element.type[:1].isupper():
            yield from strings_of(element.type, met)


def test_every_string_of_a_record_is_read_or_no_words(rules):
    served = {*parameters(), *rules.vocabulary.file.free_text} - {"*"}
    met = set()
    every = {name for kind in served for name in strings_of(kind, met)}
    assert every - TEXTS - set(NO_WORDS) == set()
    assert not TEXTS.intersection(NO_WORDS)


@pytest.mark.parametrize(
    "elements",
    [
        {"alias": ["Harbor", "HIV clinic"]},
        {"onsetString": "when he learned of his HIV"},
        {"payload": [{"contentString": "HIV positive"}]},
        {"target": [{"detailString": "HIV undetectable"}]},
        {"extension": [{"url": "u", "valueMarkdown": "HIV"}]},
        {"address": [{"line": ["HIV residence", "12 Oak St"]}]},
    ],
)
def test_words_are_read_wherever_they_stand(rules, elements):
    assert reveals(rules, **elements) == "HIV"


def test_a_shelter_in_an_address_is_one(rules):
    assert "LIVARG" in reveals(rules, address=[{"line": ["Women's Shelter", "12 Oak St"]}])


@pytest.mark.parametrize("letters", ["a", "\u0430", "9", "a\u0430 "])
def test_a_text_costs_no_more_than_its_length(rules, letters):
    """A document in base64 is one word: what looks back from each of its letters would never end."""

    def spent(length):
        taken = []
        for turn in range(3):
            started = process_time()
            reveals(rules, code={"text": f"{letters * length}{turn}"[-length:]})
            taken.append(process_time() - started)
        return min(taken)

    assert spent(12_000) < 10 * spent(3_000)
