"""A data engineer in the browser: partners, a run as a picture, a record, quarantine, maps, a new partner."""

from __future__ import annotations

import csv
import io
import re
import shutil
from html import unescape
from http.client import HTTPConnection
from inspect import getclosurevars
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from exchange.app import Current, find_partner
from exchange.app.partners.quality import quality_of
from exchange.console.serve import compile_maps
from exchange.content import load_partners, read_tree
from exchange.pipeline.steps import run_partner
from tests.console.access import violations
from tests.console.conftest import serving
from tests.pipeline.coalition import observation, write_ndjson

SAMPLE = "client_id,first_name,last_name,dob,sex\nC-1,Ana,Lopez,1980-02-03,F\nC-2,Ben,Adler,1971-12-24,M\n"
BROKEN = "C-3,Cy\n"


@pytest.fixture(scope="module", autouse=True)
def broken(opened):
    """An observation without what it needs, and something no map takes, so that two reasons wait."""
    folder = opened.settings.home.parent / "elm"
    bad = {**observation(1, 1), "id": "bad"}
    bad.pop("status")
    write_ndjson(folder / "two.ndjson", [bad, {"resourceType": "Nothing", "id": "refused"}])
    run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


def test_from_the_glance_to_the_record_and_back(browse, opened):
    page = browse("data-engineer", "/partners")
    assert page.locator("#partners tbody tr").count() >= 2
    page.get_by_role("link", name="Elm").first.click()
    page.locator("#runs tbody a").last.click()
    assert "balanced" in page.locator(".lead").inner_text()
    page.locator("svg a", has_text="published").click()
    page.locator("#records tbody tr", has_text="records").locator("a").first.click()
    text = page.locator("main").inner_text()
    assert "Harding" in text
    assert "fhir_r4.map.yaml" in text
    with psycopg.connect(opened.database_url) as connection:
        row = connection.execute(
            "SELECT body#>>'{purposeOfEvent,0,coding,0,code}', patient FROM audit_event"
            " WHERE kind = 'console.viewed' ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
    assert row[0] == "HSYSADMIN"
    assert row[1] is not None


def test_the_numbers_of_the_picture_are_those_of_the_ledger(browse, opened):
    with psycopg.connect(opened.database_url) as connection:
        counts = dict(
            connection.execute(
                "SELECT outcome, count(*) FROM source_record WHERE run = 3 GROUP BY 1"
            ).fetchall()
        )
    page = browse("data-engineer", "/runs/3")
    links = page.locator("svg a")
    outcomes = dict(text.rsplit(" ", 1) for text in links.all_text_contents() if " " in text)
    assert {name: int(n) for name, n in outcomes.items()} == counts
    shown = [(one.text_content().split()[-1], one.get_attribute("href")) for one in links.all()]
    assert len(shown) == 5 + len(counts)
    for number, address in shown:
        page.goto(page.url.split("/runs")[0] + address)
        assert page.locator("#records tbody tr:has(a)").count() == int(number), address


def test_what_waits_is_mended_and_taken_again(browse, opened):
    page = browse("data-engineer", "/quarantine")
    assert page.locator("#waiting tbody tr").count() == 2
    page.locator("#waiting tbody tr", has_text="Observation.status").locator("a").last.click()
    assert "Observation.status" in page.locator("main").inner_text()
    map_ = opened.settings.home / "mappings/_shared/maps/fhir_r4.map.yaml"
    before, _, after = map_.read_text().partition("  observation:\n")
    map_.write_text(
        before + "  observation:\n" + after.replace("set:\n", 'set:\n      status: status or "final"\n', 1)
    )
    page.goto(page.url.split("/records")[0] + "/quarantine")
    page.get_by_label("Partner").select_option("elm_clinic")
    page.get_by_role("button", name="Take its records again").click()
    assert page.locator("h1").inner_text().startswith("Run ")
    assert "went through the steps again" in page.locator(".told").inner_text()
    assert "replay" in page.locator(".lead").inner_text()
    assert page.locator("svg a", has_text="published 1").count() == 1


def test_a_record_that_its_map_refuses_whole_is_shown_as_it_came(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        records = connection.execute("SELECT record FROM source_record WHERE outcome = 'quarantined'")
        found = [served.visitor("data-engineer").get(f"/records/{record}") for (record,) in records]
    assert {answer.status_code for answer in found} == {200}
    assert any("refused the record as a whole" in answer.text for answer in found)
    assert any("&#34;Nothing&#34;" in answer.text for answer in found)


def test_content_is_read_again_when_somebody_changes_it_and_a_flaw_is_told(served, opened):
    engineer = served.visitor("data-engineer")
    file = opened.settings.home / "mappings/oak_clinic/partner.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("Oak Clinic", "Oak and Sons"))
        served.desk.opened.look()
        assert "Oak and Sons" in engineer.get("/partners").text
        file.write_text(text + "nonsense: true\n")
        refused = engineer.post("/quarantine", partner="elm_clinic")
        assert refused.status_code == 400
        assert "mappings/oak_clinic/partner.yaml" in refused.text
        page = engineer.get("/partners").text
        assert "Oak and Sons" in page
        assert "nonsense" in page
    finally:
        file.write_text(text)
        served.desk.opened.look()
    assert "nonsense" not in engineer.get("/partners").text


def test_content_that_could_not_be_taken_because_of_the_database_is_taken_at_the_next_look(opened):
    current, file = Current(opened), opened.settings.home / "mappings/oak_clinic/partner.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("Oak Clinic", "Oak and Sons"))
        with psycopg.connect(opened.database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE subscription RENAME TO away")
            with pytest.raises(psycopg.Error):
                current.look()
            connection.execute("ALTER TABLE away RENAME TO subscription")
        current.look()
        assert current().partners["oak_clinic"].organization.name == "Oak and Sons"
    finally:
        file.write_text(text)


def test_a_file_that_is_open_in_an_editor_is_no_content_and_one_that_cannot_be_read_is_named(opened):
    folder = opened.settings.home / "mappings/oak_clinic"
    current, lock, latin = Current(opened), folder / ".#partner.yaml", folder / "notes.txt"
    try:
        lock.symlink_to("somebody@host.1234")
        current.look()
        assert current.wrong is None
        latin.write_bytes("caf\u00e9".encode("latin-1"))
        current.look()
        assert "mappings/oak_clinic/notes.txt: is not UTF-8" in str(current.wrong)
        latin.unlink()
        latin.symlink_to("nowhere")
        current.look()
        assert "mappings/oak_clinic/notes.txt: cannot be read" in str(current.wrong)
    finally:
        lock.unlink()
        latin.unlink()


def test_what_the_maps_leave_and_what_a_change_does(browse, served, opened):
    page = browse("data-engineer", "/partners/elm_clinic/loss")
    assert page.locator("#empty tbody tr").count() > 0
    write_ndjson(opened.settings.home.parent / "elm/later.ndjson", [observation(2, 1)])
    now = served.desk.exchange
    run_partner(now.work, find_partner(now.partners, "elm_clinic"))
    page.reload()
    assert "sent more" in page.locator("form.inline").inner_text()
    page.get_by_role("button", name="latest 1,000 records").click()
    assert "sent more" not in page.locator("form.inline").inner_text()
    page.goto(page.url.replace("loss", "difference"))
    assert violations(page) == []
    page.get_by_label("Compare with").fill(str(opened.settings.home / "mappings"))
    page.get_by_role("button", name="Compare").click()
    assert "Nothing would change" in page.locator("main").inner_text()


def test_a_new_partner_is_tried_and_written(browse, opened, tmp_path):
    sample = tmp_path / "clients.csv"
    sample.write_text(SAMPLE + BROKEN)
    page = browse("data-engineer", "/partners/new")
    assert violations(page) == []
    page.get_by_label("Folder name").fill("maple_pantry")
    page.get_by_label("Where its files will be").fill(str(tmp_path))
    page.get_by_label("Sample").set_input_files(str(sample))
    page.get_by_role("button", name="Try it").click()
    assert "Patient" in page.locator(".numbers").inner_text()
    edited = page.get_by_label("Proposed map").input_value().replace("gender:", "# edited\n      gender:")
    page.get_by_label("Proposed map").fill(edited)
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Download as CSV").click()
    assert "the row has 2 columns" in fetched.value.path().read_text("utf-8-sig")
    page.get_by_role("button", name="Element").click()
    assert page.locator("#issues th[aria-sort]").inner_text() == "Element"
    assert page.get_by_label("Proposed map").input_value() == edited
    page.get_by_role("button", name="Write the folder").click()
    assert page.locator("h1").inner_text() == "The folder is written"
    written = opened.settings.home / "mappings/maple_pantry"
    assert "# edited" in (written / "records.map.yaml").read_text()
    assert "Lopez" not in (written / "records.map.yaml").read_text()
    page.get_by_role("link", name="To the partner").click()
    assert "mappings/maple_pantry" in page.locator("main").inner_text()


def test_a_sample_that_somebody_else_tried_is_not_taken_again(served):
    engineer = served.visitor("data-engineer")
    asked = {"code": "x_y", "folder": "/srv/x", "do": "try"}
    proof = served.proof("data-engineer", engineer)
    tried = engineer.session.post(
        served.url + "/partners/new",
        data={"csrf": proof, **asked},
        files={"sample": ("x.csv", SAMPLE)},
        timeout=60,
    ).text
    kept, wish = (re.search(rf'name="{name}" value="([^"]+)"', tried)[1] for name in ("kept", "wish"))
    assert "Lopez" not in kept + unescape(wish)
    drawn = re.search(r'<textarea name="map"[^>]*>(.*?)</textarea>', tried, re.DOTALL)[1]
    again = {**asked, "kept": kept, "wish": unescape(wish), "map": unescape(drawn)}
    assert "What the sample becomes" in engineer.post("/partners/new", **again).text
    for wrong in (kept[:-2], "", kept[::-1]):
        refused = engineer.post("/partners/new", **{**again, "kept": wrong})
        assert "Choose a file" in refused.text
        forged = engineer.post("/partners/new", **{**again, "do": "write", "wish": wrong})
        assert "not filled in by this console" in forged.text


def test_where_files_will_be_says_nothing_else(served, opened):
    engineer = served.visitor("data-engineer")
    folder = "/srv/x}\nrequests: {purposes: [TREAT]}\nx: {y: '"
    proof = served.proof("data-engineer", engineer)
    asked = {"csrf": proof, "code": "x_z", "folder": folder, "do": "try"}
    tried = engineer.session.post(
        served.url + "/partners/new", data=asked, files={"sample": ("x.csv", SAMPLE)}, timeout=60
    ).text
    wish = re.search(r'name="wish" value="([^"]+)"', tried)[1]
    drawn = re.search(r'<textarea name="map"[^>]*>(.*?)</textarea>', tried, re.DOTALL)[1]
    written = engineer.post("/partners/new", wish=wish, map=unescape(drawn), do="write")
    assert "The folder is written" in written.text
    assert load_partners(read_tree(opened.settings.home / "mappings"))["x_z"].requests.purposes == ()
    shutil.rmtree(opened.settings.home / "mappings/x_z")


def test_a_page_compares_with_no_folder_outside_the_home(served, opened, tmp_path):
    home, engineer = opened.settings.home, served.visitor("data-engineer")
    shutil.copytree(home / "mappings", tmp_path / "mappings")
    linked = home / "linked"
    linked.symlink_to(tmp_path / "mappings")
    outside = (tmp_path / "mappings", home / "mappings" / ".." / "..", linked, "/etc", "")
    for against in outside:
        answer = engineer.get("/partners/elm_clinic/difference", params={"against": str(against)})
        assert answer.status_code == 400, against
        assert "folder of this exchange" in answer.text, against
    inside = engineer.get("/partners/elm_clinic/difference", params={"against": str(home / "mappings")})
    assert inside.status_code == 200


@pytest.mark.parametrize(
    ("code", "content", "words"),
    [
        ("elm_clinic", SAMPLE, "such a partner"),
        ("../evil", SAMPLE, "lower case"),
        ("oak_pantry", "%PDF-1.7", "no format"),
        ("oak_pantry", "colour,shape\nred,round\n", "number of a person"),
        ("oak_pantry", "", "as a sample"),
    ],
)
def test_a_sample_that_cannot_be_used_is_told(served, code, content, words):
    engineer = served.visitor("data-engineer")
    proof = engineer.get("/partners/new").text.split('name="csrf" value="')[1].split('"')[0]
    answer = engineer.session.post(
        served.url + "/partners/new",
        data={"csrf": proof, "code": code, "folder": "/srv/x", "do": "try"},
        files={"sample": ("x.csv", content)},
        timeout=60,
    )
    assert answer.status_code == 400, answer.text
    assert words in answer.text


def test_a_table_is_taken_along_without_formulas(served, opened):
    """A code of a partner's is whatever the partner wrote."""
    hostile = ("=HYPERLINK(1)", "  +1", "\t@x", "\n=1", "-1", "zzz")
    with psycopg.connect(opened.database_url) as connection:
        for code in hostile:
            connection.execute(
                "INSERT INTO unmapped_code"
                " SELECT run, 'records', 'gender', 'urn:x', %s, 'Patient.gender', 'sex', 1"
                " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1",
                [code],
            )
        connection.commit()
    answer = served.visitor("data-engineer").get("/codes?codes.format=csv")
    assert "attachment" in answer.headers["content-disposition"]
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("DELETE FROM unmapped_code WHERE system = 'urn:x'")
    rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    codes = {row["Code"] for row in rows}
    assert codes == {"'=HYPERLINK(1)", "'  +1", "'\t@x", "'\n=1", "'-1", "zzz"}


def test_what_is_not_there_is_told_so(served):
    engineer = served.visitor("data-engineer")
    for path in (
        "/runs/99",
        "/runs/x",
        "/records/999999",
        "/partners/nobody",
        "/runs/1/records?outcome=x",
        "/codes/elm_clinic/7",
    ):
        assert engineer.get(path).status_code == 404, path


def test_what_maps_leave_is_told_as_old_once_maps_change_and_is_counted_by_those_of_now(served, opened):
    engineer, file = (
        served.visitor("data-engineer"),
        opened.settings.home / "mappings/_shared/maps/fhir_r4.map.yaml",
    )
    text, old = file.read_text(), "its maps were changed"
    try:
        assert old not in engineer.post("/partners/oak_clinic/loss").text
        file.write_text(text + "# changed\n")
        served.desk.opened.look()
        assert old in engineer.get("/partners/oak_clinic/loss").text
        file.write_text(text + "# changed again\n")
        engineer.post("/partners/oak_clinic/loss")
        served.desk.opened.look()
        assert old not in engineer.get("/partners/oak_clinic/loss").text
    finally:
        file.write_text(text)
        served.desk.opened.look()


def test_maps_are_compiled_ahead_and_a_wrong_one_waits_for_its_page(served, opened):
    file = opened.settings.home / "mappings/oak_clinic/partner.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("_shared/maps/fhir_r4.map.yaml", "nowhere.map.yaml"))
        served.desk.opened.look()
        compile_maps(served.desk)
        loaded = getclosurevars(served.desk.exchange.observed).nonlocals["loaded"]
        assert "elm_clinic" in loaded
        assert "oak_clinic" not in loaded
    finally:
        file.write_text(text)
        served.desk.opened.look()


def test_a_code_that_was_mapped_is_off_the_list_at_once(served, opened):
    engineer, written = (
        served.visitor("data-engineer"),
        opened.settings.home / "mappings/elm_clinic/codes/gender.csv",
    )
    with psycopg.connect(opened.database_url) as connection:
        connection.execute(
            "INSERT INTO unmapped_code"
            " SELECT run, 'records', 'gender', 'urn:y', 'zq', 'Patient.gender', 'sex', 1"
            " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1"
        )
    try:
        assert "<code>zq</code>" in engineer.get("/codes").text
        row = {"code_map": "gender", "source_system": "urn:y", "source_code": "zq"}
        target = "http://hl7.org/fhir/administrative-gender|female|Female"
        shown = engineer.post("/codes/elm_clinic/0", "/", **row, chosen=target)
        assert "A row was added" in shown.text
        assert "<code>zq</code>" not in shown.text
    finally:
        written.unlink(missing_ok=True)
        with psycopg.connect(opened.database_url) as connection:
            connection.execute("DELETE FROM unmapped_code WHERE system = 'urn:y'")
        served.desk.opened.look()


def test_a_row_is_written_for_a_partner_there_is_and_nowhere_else(served, opened):
    """`..` leads out of the partners' folders."""
    engineer, home = served.visitor("data-engineer"), opened.settings.home
    row = {"code_map": "gender", "source_code": "zq", "target_code": "other"}
    body = urlencode({**row, "csrf": served.proof("data-engineer", engineer)})
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in engineer.session.cookies.items()),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for partner in ("..", "nobody", "_shared"):
        wire = HTTPConnection(urlsplit(served.url).netloc, timeout=60)  # sends the address as it is
        wire.request("POST", f"/codes/{partner}/0", body, headers)
        assert wire.getresponse().status == 404, partner
    assert not (home / "codes").exists()
    assert not (home / "mappings/nobody").exists()


def test_the_quality_of_a_partners_data_follows_its_runs(served, opened):
    """What is kept between two looks is counted again when a run closes."""
    now = served.desk.exchange

    def usable(code):
        with now.work.connect() as connection:
            return quality_of(now, connection, code)[0]

    def stored(code):
        with psycopg.connect(opened.database_url) as connection:
            return connection.execute(
                "SELECT avg((outcome <> 'quarantined')::int)::float8 FROM source_record JOIN run USING (run)"
                " WHERE run.partner = %s AND status <> 'open'",
                [code],
            ).fetchone()[0]

    before = usable("elm_clinic").own
    assert before == pytest.approx(stored("elm_clinic"))
    refused = [{"resourceType": "Nothing", "id": f"n{number}"} for number in range(9)]
    write_ndjson(opened.settings.home.parent / "elm/worse.ndjson", refused)
    run_partner(now.work, find_partner(now.partners, "elm_clinic"))
    assert usable("elm_clinic").own == pytest.approx(stored("elm_clinic"))
    assert usable("elm_clinic").own < before
    assert (usable("oak_clinic").own, usable("oak_clinic").rank) == (1, None)  # of two it tells the other's


def test_a_run_leads_to_its_own_run_in_airflow_where_airflow_took_it(opened):
    with psycopg.connect(opened.database_url) as connection:
        (run,) = connection.execute(
            "UPDATE run SET scheduled = 'manual__2026-11-28T11:40:00+00:00'"
            " WHERE run = (SELECT min(run) FROM run WHERE partner = 'elm_clinic') RETURNING run"
        ).fetchone()
        (other,) = connection.execute(
            "SELECT min(run) FROM run WHERE partner = 'oak_clinic' AND scheduled IS NULL"
        ).fetchone()
    with serving(opened, airflow_url="https://airflow.example") as served:
        engineer = served.visitor("data-engineer")
        there = "https://airflow.example/dags/elm_clinic/runs/manual__2026-11-28T11%3A40%3A00%2B00%3A00"
        assert f'href="{there}"' in engineer.get(f"/runs/{run}").text
        assert "airflow.example" not in engineer.get(f"/runs/{other}").text


def test_a_code_that_is_like_no_other_is_mapped_by_what_its_map_answers_with(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        connection.execute(
            "INSERT INTO unmapped_code"
            " SELECT run, 'records', 'gender', 'urn:w', '77', 'Patient.gender', 'sex', 1"
            " FROM run WHERE partner = 'elm_clinic' ORDER BY run LIMIT 1"
        )
        connection.commit()
        engineer = served.visitor("data-engineer")
        (address,) = re.findall(r'href="(/codes/elm_clinic/\d+)">\s*<code>77<', engineer.get("/codes").text)
        page = engineer.get(address).text
        connection.execute("DELETE FROM unmapped_code WHERE system = 'urn:w'")
    system = "http://hl7.org/fhir/administrative-gender"
    chosen = set(re.findall(r'name="chosen" value="([^"|]+)\|([^"|]+)\|', page))
    assert chosen >= {(system, "female"), (system, "male"), (system, "other")}
    assert f'name="target_system" value="{system}"' in page
