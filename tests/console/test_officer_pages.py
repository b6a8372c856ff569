"""A privacy officer in the browser: a person, who may see what and why, late labels, log, rules, proofs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from exchange.app.privacy import form_papers, shares
from exchange.app.privacy.rulesets import read_rules
from exchange.app.privacy.suspending import Stated, end_suspension, suspend
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.consent import decide
from exchange.consent.proof.forms import read_forms
from exchange.consent.proof.prover import prove
from exchange.consent.rules.ruleset import without
from exchange.console.language import LANGUAGES
from exchange.console.pages import rules as pages_of_rules
from exchange.model.records import Decision, Viewer
from exchange.repository import load_classes
from tests.console.access import violations


@pytest.fixture(scope="module", autouse=True)
def disclosed(opened):
    """Oak asked about the patient of Elm."""
    asked = Requester("oak", "oak_clinic", "Oak Clinic", "organization", "TREAT", "t")
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient").fetchone()
        seen = [Disclosed(patient, (f"Patient/{patient}",), ("own-records",))]
        circumstances = Circumstances(opened.work.now(), "https://x.example", "127.0.0.1", "r")
        append(connection, query_entries(asked, circumstances, "Patient?name=x", seen))
        connection.execute(
            "INSERT INTO late_disclosure (found, type, fhir_id, partner, labels, participant, purpose,"
            " because, first_event, last_event, times) VALUES (now(), 'Observation', %s, 'elm_clinic',"
            " '{HIV}', 'oak_clinic', 'TREAT', '{il-hiv-release}', 1, 1, 2)",
            [patient],
        )
        connection.commit()


def test_a_person_is_found_and_every_cell_says_why(browse, opened):
    page = browse("privacy-officer", "/privacy")
    page.get_by_label("Find a person").fill("xiom harding")
    page.get_by_role("button", name="Find").click()
    assert "harding" not in page.url
    assert violations(page) == []
    page.locator("tbody tr", has_text="Elm Clinic").locator("a").click()
    assert "Oak Clinic" in page.locator("#disclosures").inner_text()
    page.locator(".matrix tbody tr", has_text="Elm Clinic").locator("a").first.click()
    assert violations(page) == []
    assert "An organization always sees what it contributed itself" in page.locator("main").inner_text()
    with psycopg.connect(opened.database_url) as connection:
        seen = connection.execute(
            "SELECT body#>>'{entity,1,name}' FROM audit_event WHERE kind = 'console.viewed' ORDER BY sequence"
        ).fetchall()
    assert ("/privacy/people",) in seen
    assert seen[-1][0].endswith("/why")


def test_a_number_finds_its_person_and_half_a_number_does_not(served):
    officer = served.visitor("privacy-officer")
    assert "Harding" in officer.post("/privacy/people", page="/privacy", words="M1").text
    assert "Nobody was found" in officer.post("/privacy/people", page="/privacy", words="%").text
    assert "Nobody was found" in officer.post("/privacy/people", page="/privacy", words="xiom_ra").text


def test_people_found_are_sorted_and_taken_along_without_their_names_in_an_address(served):
    officer = served.visitor("privacy-officer")
    for order, names in (("names", ["Xiomara", "Xiomora"]), ("-names", ["Xiomora", "Xiomara"])):
        answer = officer.post("/privacy/people", page="/privacy", words="Harding", **{"found.sort": order})
        assert re.findall(r">(Xiom\w+) Harding", answer.text) == names
        assert answer.url.endswith("/privacy/people")
    file = officer.post("/privacy/people", page="/privacy", words="Harding", **{"found.format": "csv"})
    assert file.headers["content-type"].startswith("text/csv")
    assert "Xiomara Harding" in file.text


def test_the_matrix_is_sorted_by_a_kind_of_information_and_taken_along(served):
    officer = served.visitor("privacy-officer")
    assert re.search(
        r'aria-sort="descending"', officer.get("/privacy/matrix?matrix.sort=participant&matrix.down=1").text
    )
    lines = officer.get("/privacy/matrix?matrix.format=csv").content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("Participant,")
    assert all(re.search(r",(\d+ of \d+)?", line) for line in lines[1:])


def test_an_answer_that_was_kept_counts_for_as_long_as_it_holds(opened):
    with psycopg.connect(opened.database_url) as connection:
        cls = next(iter(load_classes(connection).values()))
    asked, at = (cls, Viewer("oak_clinic", "organization", "TREAT"), opened.context), opened.work.now()
    old = Decision("deny", ("kept",), until=at + timedelta(hours=1))
    for moment, kept in ((at, True), (at + timedelta(minutes=59), True), (at - timedelta(1), False)):
        shares._kept(*asked)[:] = [(at, old)]
        assert (shares._decided(*asked, moment) == old) is kept
    shares._kept(*asked)[:] = [(at, old)]
    assert shares._decided(*asked, old.until) == decide(*asked, old.until)


def test_a_record_of_the_log_is_told_in_words(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        sequence, patient = connection.execute(
            "SELECT sequence, patient::text FROM audit_event"
            " WHERE kind = 'query' AND participant = 'oak_clinic'"
        ).fetchone()
    shown = re.sub("<wbr>", "", served.visitor("privacy-officer").get(f"/privacy/audit/{sequence}").text)
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(.*?)</dd>", shown, re.DOTALL))
    assert facts["Who"].startswith("Oak Clinic (organization)")
    assert facts["What"] == "a search"
    assert facts["Whose data"] == f"Patient/{patient}"
    assert facts["What was asked"] == "Patient?name=x"
    assert facts["Purpose"] == "treatment (TREAT)"
    assert facts["Under which rules"] == "An organization always sees what it contributed itself"
    assert facts["Outcome"] == "it succeeded"
    person = served.visitor("privacy-officer").get(f"/privacy/patients/{patient}")
    assert "Harding" in person.text
    assert f'href="/privacy/patients/{patient}"' in shown
    assert served.visitor("privacy-officer").get(f"/privacy/patients/{UUID(int=7)}").status_code == 404


def test_the_accounting_is_taken_along(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        (person,) = connection.execute("SELECT person::text FROM patient ORDER BY patient").fetchone()
        views = (
            "SELECT count(*) FROM audit_event WHERE kind = 'console.viewed' AND patient IN"
            " (SELECT fhir_id FROM patient WHERE person = %s)"
        )
        (before,) = connection.execute(views, [person]).fetchone()
        answer = served.visitor("privacy-officer").get(f"/privacy/people/{person}?format=csv")
        rule = "An organization always sees what it contributed itself"
        line = f"Oak Clinic,organization,treatment (TREAT),1,{rule},"
        assert line in answer.content.decode("utf-8-sig")
        assert connection.execute(views, [person]).fetchone()[0] > before, "a file is a look too"


def test_what_is_suspended_is_on_no_accounting_of_the_console_until_it_ends(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        (person, patient) = connection.execute(
            "SELECT person::text, fhir_id::text FROM patient ORDER BY patient"
        ).fetchone()
    officer, today = served.visitor("privacy-officer"), opened.work.now().date()
    rule = "An organization always sees what it contributed itself"
    yesterday = today - timedelta(days=1)
    said = Stated(patient, "oak_clinic", "Det. Roe", "written", yesterday, today + timedelta(days=1))
    number = suspend(opened, said, "ann")
    try:
        assert rule not in officer.get(f"/privacy/people/{person}?format=csv").text
        assert "treatment (TREAT)</td>" not in officer.get(f"/privacy/people/{person}").text
    finally:
        end_suspension(opened, number, "ann")
    assert rule in officer.get(f"/privacy/people/{person}?format=csv").text
    assert "treatment (TREAT)</td>" in officer.get(f"/privacy/people/{person}").text


def test_the_accounting_is_a_paper_too(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        (person,) = connection.execute("SELECT person::text FROM patient ORDER BY patient").fetchone()
    officer = served.visitor("privacy-officer")
    for law in ("", "&law=hipaa", "&law=part2", "&law=all"):
        answer = officer.get(f"/privacy/people/{person}?format=pdf{law}")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF")
    assert officer.get(f"/privacy/people/{person}?format=pdf&law=none").status_code == 404


def test_a_search_of_the_log_is_kept_by_name_and_is_only_ones_own(browse):
    page = browse("privacy-officer", "/privacy/audit?kind=query")
    page.get_by_label("Save this view as").fill("<b>Questions</b>")
    page.get_by_role("button", name="Save", exact=True).click()
    other = browse("privacy-officer", "/privacy/audit", participant="elm_clinic")
    assert other.locator("#views").count() == 0
    page.locator("#views a").click()
    assert page.url.endswith("?kind=query")
    page.locator("#views button").click()
    assert page.locator("#views").count() == 0


def test_a_late_label_is_decided_once(browse):
    page = browse("privacy-officer", "/privacy/late")
    page.locator("#late tbody a").first.click()
    page.get_by_label("recall").check()
    page.get_by_label("Why").fill("opened by mistake")
    page.get_by_role("button", name="Decide").click()
    assert "stands" in page.locator(".told").inner_text()
    assert page.locator("#late tbody a").count() == 0
    page.get_by_role("link", name="Those decided").click()
    page.locator("#late tbody a").first.click()
    assert page.get_by_role("button", name="Decide").count() == 0


@pytest.mark.parametrize(
    ("role", "path", "sheet"),
    [
        ("privacy-officer", "/privacy/matrix?purpose=TREAT", (943, 700)),
        ("data-engineer", "/records/1", (703, 943)),
    ],
)
def test_a_printed_page_holds_all_of_it_and_nothing_to_press(browse, role, path, sheet):
    page = browse(role, path)
    page.set_viewport_size(dict(zip(("width", "height"), sheet, strict=True)))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= sheet[0]
    assert page.locator("button:visible, .button:visible").count() == 0
    ink = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
    assert page.evaluate(ink.format("good")) == "#1c6b45", "ink for white paper also from a dark screen"
    assert page.evaluate(ink.format("paper")) == "#fff"
    cut = "found => found.filter(one => one.scrollHeight > one.clientHeight + 1).length"
    assert page.locator("pre, .wide").evaluate_all(cut) == 0
    if "purpose" in path:
        assert page.locator("select").is_visible(), "for which purpose is on the paper too"


def test_the_log_is_searched_and_verified(browse):
    page = browse("privacy-officer", "/privacy/audit")
    page.get_by_label("What").select_option("query")
    page.get_by_role("button", name="Show").first.click()
    assert page.locator("#events tbody tr").count() == 1
    page.get_by_label("Login").fill("privacy-officer-all")
    page.get_by_label("What").select_option("")
    page.get_by_role("button", name="Show").first.click()
    whose = set(page.locator("#events tbody td:nth-child(4)").all_inner_texts())
    assert whose == {"privacy-officer-all"}
    page.locator("#events tbody a").first.click()
    page.goto(page.url.rsplit("/", 1)[0])
    page.get_by_role("button", name="Verify the whole log").click()
    assert page.locator("h1").inner_text() == "The log was verified"


def test_a_rule_is_read_changed_and_tried(browse):
    page = browse("privacy-officer", "/privacy/rules?rules.filter=own-records")
    page.locator("#rules tbody a").first.click()
    assert violations(page) == []
    page.get_by_role("link", name="Try a change").click()
    field = page.locator("textarea")
    text = field.input_value()
    field.fill(text.replace("effect: released", "effect: relased", 1))
    page.get_by_role("button", name="Try it").click()
    assert "10-exchange.yaml:" in page.locator("main").inner_text()


def test_a_promise_that_holds_and_one_that_is_broken_are_told(served, monkeypatch):
    """Two of the quickest, with a rule less."""

    def proved(written, rules, at):
        quick = ("self-pay-stays-from-the-plan", "own-records-stay-open")
        asked = [one for one in written if one.invariant.id in quick]
        return prove(asked, without(rules, "hipaa-self-pay"), at)

    monkeypatch.setattr(pages_of_rules, "prove", proved)
    shown = served.visitor("privacy-officer").post("/privacy/promises").text
    assert (shown.count("mark bad"), shown.count("mark good")) == (1, 1)
    assert "kinds of situations tried" in shown
    assert "Answer: permit" in shown


@pytest.mark.parametrize(
    ("language", "title", "other"),
    [
        ("es", "registros de tratamiento por uso de sustancias", "лікування залежності"),
        ("uk", "лікування залежності", "tratamiento por uso de sustancias"),
    ],
)
def test_a_form_is_shown_in_the_readers_language(served, language, title, other):
    officer = served.visitor("privacy-officer")
    officer.session.cookies.set("language", language)
    text = officer.get("/privacy/forms/part2").text
    assert title in text
    assert other not in text
    assert "substance use treatment records" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/privacy/people/x", "/privacy/people/00000000-0000-0000-0000-000000000000", "/privacy/late/9",
        "/privacy/audit/999999", "/privacy/rules/none", "/privacy/drafts?file=../../etc/passwd",
        "/privacy/forms/none", "/privacy/late/x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_so(served, path):
    assert served.visitor("privacy-officer").get(path).status_code == 404


def test_a_form_is_taken_along_as_a_sheet_to_sign_in_each_language(served, opened, monkeypatch):
    officer = served.visitor("privacy-officer")
    found = {language: officer.get(f"/privacy/forms/part2?language={language}") for language in LANGUAGES}
    assert {answer.headers["content-type"] for answer in found.values()} == {"application/pdf"}
    assert all(answer.content.startswith(b"%PDF-") for answer in found.values())
    monkeypatch.setattr(form_papers, "pdf", lambda paper: paper)
    form = read_forms(read_rules(opened.settings))["part2"]
    sheet = form_papers.form_as_pdf(form, "uk", datetime(2026, 1, 1, tzinfo=UTC))
    words = "\n".join(sheet.blocks)
    said = [*form.says.values(), *form.closing, form.signature]
    assert sheet.title == form.title.uk
    assert [text.uk for text in said if text.uk not in words] == []
