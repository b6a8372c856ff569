"""A consent on paper, taken by an officer: seen before, binding at once, revoked; and what is refused."""

from __future__ import annotations

import json
import re
import shutil

import psycopg
import pytest
from markupsafe import escape

from exchange.app.privacy.signed_forms import named_recipients
from exchange.consent.proof.forms import read_forms
from exchange.content import read_tree
from exchange.model.records import Viewer
from tests.console.access import violations
from tests.console.conftest import run_twins
from tests.pipeline.coalition import ROOT, observation, write_ndjson
from tests.pipeline.twins import TWIN, make_twins

HIV = {"coding": [{"system": "http://loinc.org", "code": "75622-1"}]}
HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"


@pytest.fixture(scope="module")
def opened(tmp_path_factory, module_database):
    """Elm keeps a record of HIV of somebody of age and of somebody who is not; Oak may ask to coordinate."""
    folder = tmp_path_factory.mktemp("capturing")
    home = make_twins(folder)
    oak = home / "mappings" / "oak_clinic" / "partner.yaml"
    oak.write_text(
        oak.read_text()
        .replace("purposes: [TREAT]", "purposes: [COC]")
        .replace("type: clinic", "type: social-services")
        .replace("covered_entity: true", "covered_entity: false")
    )
    shutil.rmtree(folder / "oak")
    (folder / "oak").mkdir()
    records = []
    for number, born in ((1, "1980-04-01"), (2, "2015-04-01")):
        name = [{"family": f"Harding{'x' * number}", "given": ["Xiomara"]}]
        system = "https://elm-clinic.example/mrn"
        one = {**TWIN, "id": f"p{number}", "birthDate": born, "name": name}
        one["identifier"] = [{"system": system, "value": f"M{number}"}]
        records += [one, {**observation(number, number), "code": HIV}]
    write_ndjson(folder / "elm" / "one.ndjson", records)
    return run_twins(home, folder, module_database)


@pytest.fixture(scope="module")
def people(opened):
    """The person of age and the one who is not."""
    with psycopg.connect(opened.database_url) as connection:
        return [
            str(row[0])
            for row in connection.execute(
                "SELECT p.person FROM patient p JOIN resource r ON r.fhir_id = p.fhir_id"
                " AND r.type = 'Patient' AND r.rendition = 0"
                " ORDER BY convert_from(r.body, 'UTF8')::jsonb ->> 'birthDate'"
            )
        ]


def asked_by_oak(served):
    """How many observations the API gives Oak to coordinate care."""
    viewer = Viewer("oak_clinic", "organization", "COC")
    status, body = served.desk.ask(viewer, "partner-oak", "Observation?_count=50")
    assert status == 200
    return len(
        [e for e in json.loads(body).get("entry", ()) if e["resource"]["resourceType"] == "Observation"]
    )


def forms_page(people, who=0, form="hiv-release"):
    return f"/privacy/people/{people[who]}/consents/forms/{form}"


def filled(officer, page, **others):
    """The fields of a release to Oak as an officer fills them in."""
    number = re.search(r'name="number" value="([^"]+)"', officer.get(page).text)[1]
    fields = {"number": number, "partner": "elm_clinic", "to.oak_clinic": "on", "purpose.COC": "on",
              "label.HIV": "on", "until": "2027-06-30",
              "signed": "2026-03-02", "signed_in": "es"}  # fmt: skip
    return {name: value for name, value in {**fields, **others}.items() if value is not None}


def test_a_consent_on_paper_binds_at_once_and_closes_when_revoked(browse, served, people):
    assert asked_by_oak(served) == 0
    page = browse("privacy-officer", f"/privacy/people/{people[0]}")
    page.get_by_role("link", name="Take a consent from a form").click()
    page.get_by_role("link", name="HIV-related").click()
    page.get_by_label("Oak Clinic").check()
    page.get_by_label("It ends on").fill("2027-06-30")
    page.get_by_label("Witness").fill(HOSTILE)
    page.get_by_role("button", name="See what it does").click()
    assert violations(page) == []
    assert "Oak Clinic (organization) may see 1" in page.locator("#effect").inner_text()
    assert HOSTILE in page.locator("main").inner_text()
    page.emulate_media(media="print")
    assert "____" in page.locator("main").inner_text()
    assert not page.locator("#effect").is_visible()
    page.emulate_media(media="screen")
    assert asked_by_oak(served) == 0
    page.get_by_role("button", name="It is signed: store it").click()
    assert violations(page) == []
    assert "Xiomara" not in page.url
    assert asked_by_oak(served) == 1
    officer = served.visitor("privacy-officer")
    why = officer.get(f"/privacy/people/{people[0]}/why?participant=oak_clinic&purpose=COC&kind=HIV").text
    assert "Because of: an authorization naming the recipient, stored by Elm Clinic on " in why
    assert "The consents that count" in why
    (record,) = re.findall(rf"/privacy/people/{people[0]}/records/Observation/[0-9a-f-]+", why)
    (place,) = re.findall(r">(labels/[^<]+)<", officer.get(record).text.replace("<wbr>", ""))
    assert (
        "75622-1"
        in read_tree(ROOT / "consent")[place.split(":")[0]].splitlines()[int(place.split(":")[1]) - 1]
    )
    assert officer.get(record.replace(people[0], people[1])).status_code == 404
    page.goto(f"{served.url}/privacy/people/{people[0]}")
    page.locator("#said tbody a").first.click()
    page.get_by_role("button", name="end it").click()
    assert "revoked" in page.locator("main").inner_text()
    assert asked_by_oak(served) == 0


def test_without_scripts_a_parent_signs_and_what_was_sent_twice_is_stored_once(served, people, opened):
    officer, page = served.visitor("privacy-officer"), forms_page(people, 1)
    fields = filled(officer, page)
    alone = officer.post(page, **fields)
    assert "signs alone only for care" in alone.text  # care for HIV is a minor's own from 12; this is 10
    fields = filled(officer, page, proxy=HOSTILE, basis="PRN")
    seen = officer.post(page, **fields)
    again = officer.post(page, **fields, again="1")
    assert again.status_code == 200
    assert f'name="number" value="{fields["number"]}"' in again.text
    assert f'value="{escape(HOSTILE)}"' in again.text
    assert "puede" in seen.text.lower()
    assert HOSTILE not in seen.text
    for _ in range(2):
        stored = officer.post(f"{page}/signed", page=page, **fields)
        assert "in force" in stored.text
    with psycopg.connect(opened.database_url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM directive WHERE body->>'by' = 'other'").fetchone()
    assert count == 1
    assert asked_by_oak(served) == 1
    here = stored.url.removeprefix(served.url)
    assert "revoked" in officer.post(f"{here}/revoked", page=here).text
    assert asked_by_oak(served) == 0
    assert "revoked" in officer.post(f"{page}/signed", page=page, **fields).text
    assert asked_by_oak(served) == 0


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"to.oak_clinic": None}, "to", "Choose at least one."),
        ({"to.nobody": "on"}, "to", "Choose what the form offers."),
        ({"label.PSYTHPN": "on"}, "label", "Choose what the form offers."),
        ({"signed": "2100-01-01"}, "signed", "cannot be signed in the future"),
        ({"signed": "<b>"}, "signed", "Write a day like"),
        ({"until": "2020-01-01"}, "until", "ends before it is signed"),
        ({"proxy": "A. Parent", "basis": "PRN"}, "proxy", "A parent signs only for somebody under 18"),
        ({"proxy": "A. Guardian"}, "basis", "needs a name and a basis"),
        ({"basis": "GUARD"}, "proxy", "needs a name and a basis"),
        ({"witness": "x" * 201}, "witness", "at most 200 letters"),
        ({"partner": "oak_clinic"}, "partner", "Choose one of the list."),
        ({"number": "../../x"}, "number", "Open the form again."),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_stored(served, people, wrong, field, words):
    officer, page = served.visitor("privacy-officer"), forms_page(people)
    for path in (page, f"{page}/signed"):
        answer = officer.post(path, page=page, **filled(officer, page, **wrong))
        assert answer.status_code == 422
        assert words in re.search(rf'id="fault-{field}">([^<]*)', answer.text)[1]
    assert asked_by_oak(served) == 0


def test_only_a_privacy_officer_takes_consents_and_only_from_our_own_form(served, people):
    officer, page = served.visitor("privacy-officer"), forms_page(people)
    fields = filled(officer, page)
    forged = officer.session.post(f"{served.url}{page}/signed", data={**fields, "csrf": "x"}, timeout=60)
    assert forged.status_code == 403
    engineer = served.visitor("data-engineer")
    assert engineer.get(page).status_code == 403
    assert engineer.post(f"{page}/signed", page="/partners", **fields).status_code == 403
    assert officer.get(page.replace(people[0], people[0][:-1] + "0")).status_code == 404
    assert asked_by_oak(served) == 0


def test_every_form_names_its_recipient_in_words_that_another_can_take_the_place_of():
    for form in read_forms(read_tree(ROOT / "consent")).values():
        for name in named_recipients(form):
            written = name.replace("_", " ").title()
            assert all(
                written in form.says[f"permit.to.{name}"].in_(language) for language in ("en", "es", "uk")
            )
