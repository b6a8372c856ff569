"""A partner and the coalition in the browser: own figures, keys, a question; figures that tell of nobody."""

from __future__ import annotations

import json
import re
from html import unescape

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.api import disable_client
from exchange.app.partners.delivering import send_due
from exchange.app.partners.quality import measured
from exchange.app.partners.suppressing import SMALL, suppressed
from exchange.app.partners.timeline import Moment
from exchange.console.pages.own_timeline import _moment
from exchange.console.speech import Speech
from exchange.crypto import new_jwk_pair
from exchange.delivery.subscriptions import register_subscriptions
from exchange.model.delivery import Delivery
from tests.console.access import violations


def test_a_partner_sees_what_it_sent_and_asks_as_itself(browse, opened):
    page = browse("partner", "/own", "elm_clinic")
    assert "100.0" in page.locator(".numbers").inner_text()
    assert page.locator("#runs tbody tr").count() == 1
    page.get_by_role("link", name="Try a query").click()
    page.get_by_label("Query").fill("Patient?family=harding")
    page.get_by_role("button", name="Ask").click()
    assert violations(page) == []
    body = json.loads(page.locator("pre").inner_text())
    assert body["resourceType"] == "Bundle"
    assert "1 match" in page.locator("main").inner_text()
    with psycopg.connect(opened.database_url) as connection:
        row = connection.execute(
            "SELECT participant, body::text FROM audit_event WHERE kind = 'query'"
            " ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
    assert row[0] == "elm_clinic"
    assert "console:elm_clinic:partner-elm_clinic" in row[1]


@pytest.mark.parametrize("code", ["elm_clinic", "oak_clinic"])
def test_a_partner_sees_in_a_question_only_what_its_software_would(served, opened, code):
    """Nobody has a care relationship with a patient of the other clinic."""
    own = served.visitor("partner", code)
    text = own.post("/own/ask", purpose="TREAT", role="organization", target="Observation?_count=50").text
    shown = json.loads(unescape(re.search(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL)[1]))
    with psycopg.connect(opened.database_url) as connection:
        held = dict(
            connection.execute(
                "SELECT fhir_id::text, partner FROM resource WHERE type = 'Observation' AND rendition = 0"
            ).fetchall()
        )
    assert set(held.values()) == {"elm_clinic", "oak_clinic"}
    assert {entry["resource"]["id"] for entry in shown["entry"]} == {i for i, p in held.items() if p == code}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"purpose": "HPAYMT", "target": "Patient"}, 400),
        ({"purpose": "TREAT", "role": "physician", "target": "Patient"}, 400),
        ({"purpose": "TREAT", "target": ""}, 400),
        ({"purpose": "TREAT", "target": "../auth/token"}, 200),
        ({"purpose": "TREAT", "target": "Nothing?x=y"}, 200),
    ],
)
def test_a_question_beyond_the_agreement_is_refused(served, fields, status):
    answer = served.visitor("partner", "elm_clinic").post("/own/ask", **fields)
    assert answer.status_code == status
    if status == 200:
        assert "OperationOutcome" in answer.text


def test_a_timeline_names_questions_and_rules_in_words_and_leaves_a_recipients_answer(opened):
    said, at = Speech("en", opened), opened.work.now()
    kept_out = _moment(said, Moment(at, "sent", "7", 3, "withheld", "own-records, consent:0:provision"))
    assert kept_out["what"] == "sent in run 7"
    assert kept_out["why"] == (
        "An organization always sees what it contributed itself; the person's own consent"
    )
    asked = _moment(said, Moment(at, "asked", "query", 2, "good", "", "TREAT"))
    assert asked["what"] == "asked: a search treatment (TREAT)"
    told = _moment(said, Moment(at, "delivered", "100 % of births", 1, "refused", "own-records"))
    assert (told["what"], told["why"]) == ("was sent: 100 % of births", "own-records")
    fetched = _moment(
        Speech("uk", opened), Moment(at, "delivered", "x", 1, "acknowledged", "fetched by vega")
    )
    assert fetched["why"] == "забрано: vega"


def test_a_client_is_registered_switched_off_and_let_in_again(browse, served, opened, tmp_path):
    _private, public = new_jwk_pair("ES384")
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [public]}))
    page = browse("partner", "/own/clients", "oak_clinic")

    def register():
        page.get_by_label("Client id").fill("oak-ehr")
        page.get_by_label("JSON Web Key Set").set_input_files(str(keys))
        page.get_by_role("button", name="Register").click()

    register()
    assert "oak-ehr" in page.locator("#clients").inner_text()
    page.get_by_role("button", name="Switch off: oak-ehr").click()
    assert "switched off" in page.locator(".told").inner_text()
    assert "your organization" in page.locator("#clients").inner_text()
    register()
    assert "still switched off" in page.locator(".told").inner_text()
    page.get_by_role("button", name="Let it in again: oak-ehr").click()
    assert "may ask for tokens again" in page.locator(".told").inner_text()
    assert violations(page) == []
    with psycopg.connect(opened.database_url) as connection:
        told = connection.execute(
            "SELECT sequence, participant, body ->> 'action', body #>> '{agent,0,who,display}'"
            " FROM audit_event WHERE kind = 'client.changed'"
            " AND body #>> '{entity,0,name}' = 'oak-ehr' ORDER BY sequence"
        ).fetchall()
    assert [row[1:] for row in told] == [("oak_clinic", action, "partner-oak_clinic") for action in "CDUC"]
    record = served.visitor("privacy-officer").get(f"/privacy/audit/{told[1][0]}").text
    for words in (
        "Oak Clinic",
        "account partner-<wbr>oak_<wbr>clinic",
        "a client was changed",
        "switched off",
    ):
        assert words in record, words


def test_what_the_exchange_switched_off_a_partner_neither_lets_in_nor_replaces(served, opened):
    oak, public_keys = (
        served.visitor("partner", "oak_clinic"),
        json.dumps({"keys": [new_jwk_pair("ES384")[1]]}),
    )
    oak.post("/own/clients", client_id="oak-off", keys=public_keys)
    with psycopg.connect(opened.database_url) as connection:
        disable_client(connection, "oak-off", "exchange", opened.work.now())
        connection.commit()
    page = oak.get("/own/clients").text
    assert "ask the exchange" in page
    assert "Let it in again: oak-off" not in page
    for path in ("/own/clients/again", "/own/clients/ended"):
        assert oak.post(path, page="/own/clients", client_id="oak-off").status_code == 404
    again = oak.post("/own/clients", client_id="oak-off", keys=public_keys)
    assert (again.status_code, "was switched off" in again.text) == (400, True)


def test_another_partner_lets_nobody_in(served, opened):
    oak, elm = served.visitor("partner", "oak_clinic"), served.visitor("partner", "elm_clinic")
    oak.post("/own/clients", client_id="oak-own", keys=json.dumps({"keys": [new_jwk_pair("ES384")[1]]}))
    oak.post("/own/clients/ended", page="/own/clients", client_id="oak-own")
    assert elm.post("/own/clients/again", page="/own/clients", client_id="oak-own").status_code == 404
    assert oak.post("/own/clients/again", page="/own/clients", client_id="oak-own").status_code == 200


def test_a_private_key_is_refused_and_another_partners_client_cannot_be_ended(served, opened):
    oak, elm = served.visitor("partner", "oak_clinic"), served.visitor("partner", "elm_clinic")
    _private, public = new_jwk_pair("ES384")
    good = oak.post("/own/clients", client_id="oak-two", keys=json.dumps({"keys": [public]}))
    assert "registered" in good.text
    bad = oak.post("/own/clients", client_id="oak-three", keys=json.dumps({"keys": [{**public, "d": "x"}]}))
    assert bad.status_code == 400
    for kid in ("\0", "\ud800"):
        unseen = oak.post(
            "/own/clients", client_id="oak-four", keys=json.dumps({"keys": [{**public, "kid": kid}]})
        )
        assert unseen.status_code == 400, kid
    assert elm.post("/own/clients/ended", page="/own/clients", client_id="oak-two").status_code == 404
    with psycopg.connect(opened.database_url) as connection:
        (disabled,) = connection.execute("SELECT disabled FROM client WHERE client_id = 'oak-two'").fetchone()
    assert disabled is None
    public_keys = json.dumps({"keys": [public]})
    taken = elm.post("/own/clients", client_id="oak-two", keys=public_keys)
    assert (taken.status_code, "belongs to another participant" in taken.text) == (400, True)
    for name in ("console:oak_clinic:partner-oak_clinic", "", "<b>", "x" * 101):
        assert elm.post("/own/clients", client_id=name, keys=public_keys).status_code == 400, name


def test_the_coalition_sees_no_small_number(browse):
    page = browse("coalition", "/coalition")
    assert page.locator("tbody td", has_text="✱").count() > 0
    assert "Harding" not in page.content()


@given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=1, max_size=5))
def test_no_small_count_is_shown_and_none_follows_from_a_line(counts):
    rows, columns = [str(n) for n in range(len(counts))], ["x", "y", "z"]
    cells = {(r, c): counts[int(r)][columns.index(c)] for r in rows for c in columns}
    shown = suppressed(cells, rows, columns)
    assert all(shown[cell] is None for cell, count in cells.items() if 0 < count <= SMALL)
    assert all(value is None or value % 10 == 0 for value in shown.values())
    for line in [[(r, c) for c in columns] for r in rows] + [[(r, c) for r in rows] for c in columns]:
        hidden = [cell for cell in line if shown[cell] is None]
        others = [cell for cell in line if shown[cell]]
        assert len(hidden) != 1 or not others


@pytest.fixture
def notice(opened):
    """A notice that waits for the oak clinic, of a record of its own."""
    values = {
        "topics": ["resource-published"], "types": ["Observation"], "panel": "own", "own_records": True,
        "purpose": "TREAT", "form": "csv", "channel": {"type": "download"},
    }  # fmt: skip
    oak = opened.partners["oak_clinic"]
    partners = {
        **opened.partners,
        oak.code: oak.model_copy(update={"deliveries": {"notices": Delivery.model_validate(values)}}),
    }
    with opened.work.connect() as connection:
        register_subscriptions(connection, partners, opened.work.now())
        connection.execute(
            "INSERT INTO outbox (topic, at, happened, type, fhir_id, rendition, partner, patient)"
            " SELECT 'resource-published', clock_timestamp(), clock_timestamp(), type, fhir_id, rendition,"
            " partner, patient FROM resource WHERE type = 'Observation' AND partner = 'oak_clinic'"
        )
        connection.commit()
    assert send_due(opened) == {"ready": 1}


def test_a_notice_is_fetched_once_on_the_page_of_its_organization(browse, served, notice):
    other = served.visitor("partner", "elm_clinic")
    assert "<option" not in other.get("/own/downloads").text
    page = browse("partner", "/own/downloads", "oak_clinic")
    key = page.locator("select[name=delivery]").input_value()
    assert other.post("/own/downloads", delivery=key).status_code == 200
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Fetch").click()
    assert fetched.value.suggested_filename == f"mosaic-{key}.csv"
    content = fetched.value.path().read_text("utf-8")
    assert "Harding" in content
    page.reload()
    assert "No notice waits" in page.locator("main").inner_text()
    assert "There is nothing" in other.post("/own/downloads", delivery=key).text


def test_of_what_was_withheld_from_it_an_organization_sees_no_number(served, opened, notice):
    oak = served.visitor("partner", "oak_clinic")
    (key,) = re.findall(r'<option value="([0-9a-f-]{36})"', oak.get("/own/downloads").text)
    assert oak.post("/own/downloads", delivery=key).status_code == 200
    before = oak.get("/own").text
    with psycopg.connect(opened.database_url) as connection:
        changed = connection.execute("""UPDATE receipt SET withheld = '{"law": 7}' RETURNING 1""").fetchall()
    after = oak.get("/own").text
    assert changed
    assert "notices" in before
    assert "law 7" not in after


def test_a_panel_is_uploaded_seen_fetched_back_and_ended(browse, opened):
    with psycopg.connect(opened.database_url) as connection:
        (patient,) = connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient").fetchone()
    page = browse("partner", "/own", "elm_clinic")
    page.get_by_role("link", name="Panels").click()
    assert "You have said of nobody yet" in page.locator("#panels").inner_text()
    page.get_by_label("Name of the panel").fill("North side")
    page.get_by_label("one a line").fill(f"{patient}\n")
    page.get_by_role("button", name="Upload a panel").click()
    assert "1 member" in page.locator(".told").inner_text()
    with psycopg.connect(opened.database_url) as connection:
        assert connection.execute("SELECT participant FROM panel").fetchall() == [("elm_clinic",)]
    assert "North side" in page.locator("#panels tbody").inner_text()
    for _ in ("once", "and once more"):
        with page.expect_download() as fetched:
            page.get_by_role("button", name="Fetch: North side").click()
        assert fetched.value.path().read_text() == f"{patient}\n"
    assert violations(page) == []
    page.get_by_role("button", name="End it: North side").click()
    assert "The panel is ended" in page.locator(".told").inner_text()
    assert "You have said of nobody yet" in page.locator("#panels").inner_text()


def test_a_panel_is_replaced_and_another_organization_neither_sees_nor_touches_it(served, opened):
    oak, elm = served.visitor("partner", "oak_clinic"), served.visitor("partner", "elm_clinic")
    with psycopg.connect(opened.database_url) as connection:
        first, second = (
            row[0] for row in connection.execute("SELECT fhir_id::text FROM patient ORDER BY patient LIMIT 2")
        )
    oak.post("/own/panels", name="Ward", ids=first)
    (key,) = re.findall(r'<option value="([0-9a-f-]{36})">Ward', oak.get("/own/panels").text)
    assert key not in elm.get("/own/panels").text
    for path in ("/own/panels/ids", "/own/panels/ended"):
        assert elm.post(path, page="/own/panels", panel=key).status_code == 404
        assert elm.post(path, page="/own/panels", panel="none").status_code == 404
    assert elm.post("/own/panels", name="Mine", ids=first, instead=key).status_code == 404
    oak.post("/own/panels", name="Ward B", ids=f"{first} {second}", instead=key)
    with psycopg.connect(opened.database_url) as connection:
        kept = connection.execute(
            "SELECT panel::text, version, body ->> 'name', (body ->> 'quantity')::int FROM panel"
            " WHERE participant = 'oak_clinic'"
        ).fetchall()
        told = connection.execute(
            "SELECT kind FROM audit_event WHERE participant = 'oak_clinic' AND kind LIKE 'care.%'"
            " ORDER BY sequence DESC LIMIT 2"
        ).fetchall()
    assert kept == [(key, 2, "Ward B", 2)]
    assert told == [("care.stated",)] * 2
    ended = oak.post("/own/panels/ended", page="/own/panels", panel=key)
    assert "The panel is ended" in ended.text
    assert oak.post("/own/panels/ended", page="/own/panels", panel=key).status_code == 404


@pytest.mark.parametrize("name", ["", "x" * 201, "turned\u202e"])
def test_a_panel_has_a_name_that_is_seen(served, name):
    answer = served.visitor("partner", "elm_clinic").post("/own/panels", name=name, ids="1")
    assert answer.status_code == 400
    assert "A panel has a name" in answer.text


def test_a_panel_of_no_patients_is_refused_with_the_reason(served):
    partner = served.visitor("partner", "elm_clinic")
    answer = partner.post("/own/panels", name="x", ids="<script>")
    assert answer.status_code == 400
    assert "Each line is the id of a Patient" in answer.text
    assert ">&lt;script&gt;</textarea>" in answer.text, "what was typed is not typed twice"
    partner.session.cookies.set("language", "es")
    assert "Cada línea es el id de un Patient" in partner.post("/own/panels", name="x", ids="<script>").text


def test_a_median_of_few_which_gives_away_another_ones_figure_is_not_told():
    shares = {"one": 0.9, "two": 0.4, "three": 0.5, "four": 1.0}
    few = measured("usable", shares, "one")
    many = measured("usable", {**shares, "five": 0.7}, "one")
    assert (few.own, few.rank, few.median, few.of) == (0.9, None, None, 4)
    assert (many.own, many.rank, many.median, many.of) == (0.9, 2, 0.7, 5)


def test_an_empty_table_says_so_where_a_narrow_screen_sees_it(browse, opened):
    with psycopg.connect(opened.database_url) as connection:  # other tests register some
        connection.execute("DELETE FROM client WHERE participant = 'elm_clinic'")
    page = browse("partner", "/own/clients", participant="elm_clinic")
    page.set_viewport_size({"width": 320, "height": 800})
    said = page.get_by_text("No software of yours is registered.").bounding_box()
    table = page.locator("#clients table").bounding_box()
    assert table["width"] > 320
    assert said["x"] >= 0
    assert said["x"] + said["width"] <= 320
