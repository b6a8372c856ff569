import pytest

from exchange.consent import decide, directive, matched, profile
from exchange.consent.case_consents import consent_of, resolve_case
from exchange.consent.forms import markdown, read_forms
from exchange.model.errors import ContentError
from exchange.model.records import Viewer
from tests.consent.builders import record


def signed(files, name):
    form = read_forms(files)[name].consent.model_copy(update={"of": "harbor_recovery"})
    return profile([(directive(consent_of(form, 0), resolve=resolve_case), True)])


@pytest.mark.parametrize(
    "who, purpose, effect",
    [
        ("lakeside_hospital", "TREAT", "permit"),
        ("lakeside_hospital", "HLEGAL", "deny"),
        ("north_shelter", "COC", "deny"),
    ],
)
def test_the_part_2_form_produces_what_it_says(files, context, noon, who, purpose, effect):
    cls = record(signed(files, "part2"), "42CFRPart2", "SUD", source="harbor_recovery")
    assert decide(cls, Viewer(who, "organization", purpose), context, noon).effect == effect


def test_who_signs_the_opt_out_is_out(files, context, noon):
    cls = record(signed(files, "opt-out"))
    assert decide(cls, Viewer("lakeside_hospital", "organization", "TREAT"), context, noon).effect == "deny"
    assert matched(signed(files, "opt-out"), {"resourceType": "Condition", "id": "c"}) == ()


@pytest.mark.parametrize("language, word", [("en", "legal"), ("es", "legales"), ("uk", "проваджень")])
def test_the_form_prints_every_sentence_in_each_language(files, language, word):
    form = read_forms(files)["part2"]
    page = markdown(form, language)
    assert word in page
    assert all(text.in_(language) in page for text in form.says.values())


@pytest.mark.parametrize(
    "old, new", [("purpose: [TREAT, HPAYMT, HOPERAT]", "purpose: [TREAT, HMARKT]"), ("[PSYTHPN]", "[HIV]")]
)
def test_a_form_that_says_something_else_than_it_means_is_refused(files, old, new):
    text = files["forms/part2.yaml"].replace(old, new)
    with pytest.raises(ContentError, match=r"says|mean"):
        read_forms({**files, "forms/part2.yaml": text})
