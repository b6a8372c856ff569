from dataclasses import replace
from datetime import date, datetime

import pytest

from exchange.consent import decide, directive, matched, profile
from exchange.consent.proof.case_consents import consent_of, resolve_case
from exchange.consent.proof.forms import markdown, read_forms
from exchange.model.errors import ContentError
from exchange.model.records import Viewer
from tests.consent.builders import record


def signed(files, name, of="harbor_recovery"):
    form = read_forms(files)[name].consent.model_copy(update={"of": of})
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


@pytest.mark.parametrize(
    "who, effect", [("north_shelter", "permit"), ("good_table", "deny"), ("safe_harbor", "deny")]
)
def test_the_homeless_management_release_opens_it_to_the_shelter_it_names(files, context, noon, who, effect):
    consents = signed(files, "hmis", of="hearth_housing")
    cls = record(consents, "HMIS", source="hearth_housing")
    assert decide(cls, Viewer(who, "organization", "COC"), context, noon).effect == effect


@pytest.mark.parametrize(
    "label, who, on, effect",
    [
        ("HIV", "north_shelter", "2026-06-01", "permit"),
        ("HIV", "north_shelter", "2027-07-01", "deny"),
        ("HIV", "good_table", "2026-06-01", "deny"),
        ("SUD", "north_shelter", "2026-06-01", "deny"),
    ],
)
def test_the_hiv_release_opens_hiv_to_one_recipient_until_it_ends(
    files, context, noon, label, who, on, effect
):
    cls = record(signed(files, "hiv-release", of="prairie_clinic"), label, source="prairie_clinic")
    at = datetime.combine(date.fromisoformat(on), noon.timetz())
    assert decide(cls, Viewer(who, "organization", "COC"), context, at).effect == effect


@pytest.mark.parametrize(
    "kind, matches", [("Task", (0,)), ("ServiceRequest", (0,)), ("Patient", (0,)), ("Observation", ())]
)
def test_the_referral_authorization_reaches_the_referral_and_no_result(files, kind, matches):
    consents = signed(files, "referral", of="prairie_clinic")
    assert matched(consents, {"resourceType": kind, "id": "x"}) == matches


@pytest.mark.parametrize(
    "content, level, who, effect",
    [
        ((0,), "N", "good_table", "permit"),
        ((), "N", "good_table", "deny"),
        ((0,), "R", "good_table", "deny"),
        ((0,), "N", "north_shelter", "deny"),
    ],
)
def test_the_referral_authorization_opens_what_it_says_to_the_food_bank(
    files, context, noon, content, level, who, effect
):
    consents = signed(files, "referral", of="prairie_clinic")
    cls = replace(
        record(consents, source="prairie_clinic"), type="Task", confidentiality=level, matched=content
    )
    assert decide(cls, Viewer(who, "organization", "COC"), context, noon).effect == effect


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


@pytest.mark.parametrize(
    "who, purpose, content, effect",
    [
        ("prairie_plan", "HPAYMT", (0,), "deny"),
        ("prairie_plan", "CAREMGT", (0,), "deny"),
        ("prairie_plan", "HPAYMT", (), "permit"),
        ("lakeside_hospital", "TREAT", (0,), "permit"),
        ("lakeside_hospital", "HPAYMT", (0,), "permit"),
    ],
)
def test_who_paid_himself_keeps_the_health_plan_out_of_that_visit(
    files, context, noon, who, purpose, content, effect
):
    consents = signed(files, "self-pay", of="prairie_clinic")
    cls = replace(record(consents), matched=content)
    assert decide(cls, Viewer(who, "organization", purpose), context, noon).effect == effect
    days = {
        day: {"resourceType": "Condition", "id": "c", "onsetDateTime": day}
        for day in ("2026-03-02", "2026-03-03")
    }
    assert [matched(consents, days[day]) for day in days] == [(0,), ()]
