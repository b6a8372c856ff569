"""What a participant pushes goes through its pipeline, and it is told what became of each entry."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from exchange.api import create_app
from exchange.api.clients import Client, register_client
from exchange.api.metrics import Metrics
from exchange.app import find_partner, open_exchange
from exchange.cli.service import api_service
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.pipeline.coalition import make_home, observation, patient

from .conftest import BASE_URL, Software

SCOPE = "system/*.cruds"


@pytest.fixture(scope="module")
def opened(tmp_path_factory, module_database):
    """An exchange whose one partner pushes."""
    folder = tmp_path_factory.mktemp("pushing")
    home = make_home(folder / "home", folder / "elm")
    page = home / "mappings/elm_clinic/partner.yaml"
    changed = {"connector:": "connector: {type: push}", "requests:": "requests: {purposes: [TREAT, BTG]}"}
    lines = [changed.get(line.partition(" ")[0], line) for line in page.read_text().splitlines()]
    page.write_text("\n".join(lines) + "\n")
    environment = {"EXCHANGE_HOME": str(home), "EXCHANGE_DATA": str(folder / "data")}
    return open_exchange(load_settings({**environment, "EXCHANGE_DATABASE_URL": module_database}))


@pytest.fixture(scope="module")
def software(opened, key_pairs):
    private_key, jwk = key_pairs["ES384"]
    partner = opened.partners["elm_clinic"]
    for client_id in ("elm", "elm-other"):
        client = Client(client_id, partner.code, {"keys": [jwk]}, [SCOPE], ["organization"], ["TREAT", "BTG"])
        with opened.work.connect() as conn:
            register_client(conn, client, partner, datetime.now(UTC))
            conn.commit()
    return Software("elm", partner.code, private_key, jwk)


@pytest.fixture(scope="module")
def api(opened):
    with (
        api_service(opened, BASE_URL) as service,
        TestClient(create_app(service, Metrics()), base_url=BASE_URL) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def token(api):
    """One for each client and scope: an address may not ask for more than twenty a second."""
    granted = {}

    def get(who, scope):
        asked = repr(who), scope
        if asked not in granted:
            answer = api.post("/auth/token", data=who.form(scope=scope))
            assert answer.status_code == 200, answer.text
            granted[asked] = answer.json()["access_token"]
        return granted[asked]

    return get


@pytest.fixture
def send(api, software, token):
    def request(method, path, body=None, who=software, scope=SCOPE, **headers):
        authorization = {"Authorization": f"Bearer {token(who, scope)}", **headers}
        extra = {"json": body} if body is not None else {}
        path = path.removeprefix(f"{BASE_URL}/fhir")
        return api.request(method, f"/fhir{path}", headers=authorization, **extra)

    return request


@pytest.fixture
def run(opened):
    return lambda: run_partner(opened.work, find_partner(opened.partners, "elm_clinic"))


def bundle(kind, *requests):
    entries = []
    for method, resource in requests:
        target = f"{resource['resourceType']}/{resource['id']}"
        entry = {"request": {"method": method, "url": target}}
        entries.append(entry if method == "DELETE" else {**entry, "resource": resource})
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def statuses(answer):
    assert answer.status_code == 200, answer.text
    return [entry["response"]["status"][:3] for entry in answer.json()["entry"]]


def test_a_batch_is_kept_run_and_answered_entry_by_entry(send, run, opened):
    glucose = {**observation(1, 1), "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}}
    broken = {**observation(2, 1), "status": "no-such-status"}
    accepted = send("POST", "", bundle("batch", ("PUT", patient(1)), ("PUT", glucose), ("PUT", broken)))
    assert accepted.status_code == 202, accepted.text
    place = accepted.headers["content-location"]
    assert send("GET", place).status_code == 202
    with opened.work.connect() as conn:
        (sealed,) = conn.execute("SELECT payload FROM push ORDER BY push DESC LIMIT 1").fetchone()
        assert b"Rivera" not in sealed
    run()
    assert statuses(send("GET", place)) == ["200", "200", "422"]
    assert send("GET", "/Observation?code=2345-7").json()["total"] == 1
    again = send("POST", "", bundle("batch", ("PUT", patient(1)), ("DELETE", glucose)))
    run()
    assert statuses(send("GET", again.headers["content-location"])) == ["200", "204"]
    assert send("GET", "/Observation?code=2345-7").json()["total"] == 0
    with opened.work.connect() as conn:
        kept = conn.execute("SELECT payload FROM push WHERE push = %s", [place.rpartition("/")[2]]).fetchone()
        assert kept == (None,)


def test_a_transaction_is_one_record_and_its_own_references_are_resolved(send, run):
    who = {"fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "resource": {**patient(7)}}
    who = {**who, "request": {"method": "POST", "url": "Patient"}}
    what = {**observation(7, 7), "subject": {"reference": who["fullUrl"]}}
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [who, {"resource": what, "request": {"method": "PUT", "url": f"Observation/{what['id']}"}}],
    }
    accepted = send("POST", "", body)
    run()
    assert statuses(send("GET", accepted.headers["content-location"])) == ["200", "200"]


def test_a_transaction_changes_and_ends_what_it_names_by_an_identifier(send, run):
    who = {**patient(8), "identifier": [{"system": "https://elm.example/mrn", "value": "8"}]}
    named = "identifier=https://elm.example/mrn|8"

    def pushed(method, condition, **entry):
        request = {"method": method, **condition}
        body = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": request, **entry}]}
        accepted = send("POST", "", body)
        assert accepted.status_code == 202, accepted.text
        run()
        return statuses(send("GET", accepted.headers["content-location"]))

    def found():
        listed = send("GET", f"/Patient?{named}").json()
        return listed["total"], [e["resource"]["gender"] for e in listed.get("entry", ())]

    made = pushed("POST", {"url": "Patient", "ifNoneExist": named}, resource={**who, "gender": "female"})
    assert (made, found()) == (["200"], (1, ["female"]))
    changed = pushed("PUT", {"url": f"Patient?{named}"}, resource={**who, "id": "x", "gender": "other"})
    assert (changed, found()) == (["200"], (1, ["other"]))
    again = pushed("POST", {"url": "Patient", "ifNoneExist": named}, resource={**who, "gender": "male"})
    assert (again, found()) == (["200"], (1, ["other"]))
    assert pushed("DELETE", {"url": f"Patient?{named}"}) == ["204"]
    assert found() == (0, [])


def test_what_came_in_a_transaction_is_deleted_alone(send, run):
    glucose = {**observation(6, 6), "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}}
    send("POST", "", bundle("transaction", ("PUT", patient(6)), ("PUT", glucose)))
    run()
    assert send("GET", "/Observation?code=718-7").json()["total"] == 1
    accepted = send("POST", "", bundle("batch", ("DELETE", glucose)))
    run()
    assert statuses(send("GET", accepted.headers["content-location"])) == ["204"]
    assert send("GET", "/Observation?code=718-7").json()["total"] == 0


def test_the_same_key_is_the_same_push_and_another_bundle_under_it_is_refused(send):
    key = {"Idempotency-Key": "one"}
    first = send("POST", "", bundle("batch", ("PUT", patient(3))), **key)
    second = send("POST", "", bundle("batch", ("PUT", patient(3))), **key)
    assert first.headers["content-location"] == second.headers["content-location"]
    assert send("POST", "", bundle("batch", ("PUT", patient(4))), **key).status_code == 422


def test_what_is_sent_again_after_something_else_is_taken_again(send, run):
    """Without a key: a state, another one, and the first again leave the first, and not what came between."""
    pulse = {**observation(20, of=20), "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}
    first = bundle("batch", ("PUT", patient(20)), ("PUT", pulse))

    def pushed(body):
        accepted = send("POST", "", body)
        run()
        assert {status[:2] for status in statuses(send("GET", accepted.headers["content-location"]))} == {
            "20"
        }
        found = send("GET", "/Observation?code=8867-4").json().get("entry", ())
        return [entry["resource"]["status"] for entry in found]

    assert (
        send("POST", "", first).headers["content-location"]
        == send("POST", "", first).headers["content-location"]
    )
    assert pushed(first) == ["final"]
    assert pushed(bundle("batch", ("PUT", {**pulse, "status": "amended"}))) == ["amended"]
    assert pushed(first) == ["final"]
    assert pushed(bundle("batch", ("DELETE", pulse))) == []
    assert pushed(first) == ["final"]


def test_another_client_sees_no_push_and_shares_no_keys(send, software):
    other = replace(software, client_id="elm-other")
    key = {"Idempotency-Key": "mine"}
    mine = send("POST", "", bundle("batch", ("PUT", patient(5))), **key)
    theirs = send("POST", "", bundle("batch", ("PUT", patient(6))), who=other, **key)
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert send("GET", mine.headers["content-location"], who=other).status_code == 404
    assert send("GET", "/$push-status/999999").status_code == 404


def _pushes(opened):
    with opened.work.connect() as conn:
        return conn.execute("SELECT count(*) FROM push").fetchone()[0]


def test_what_others_push_shows_in_no_number(send, opened):
    first = send("POST", "", bundle("batch", ("PUT", patient(11))))
    with opened.work.connect() as conn:
        conn.execute(
            "INSERT INTO push (participant, push, client, idempotency, digest, kind, entries, received)"
            " SELECT 'oak_clinic', coalesce(max(push), 0) + n, 'oak', 'k' || n, '', 'batch', '{}', now()"
            " FROM push, generate_series(1, 3) n WHERE participant = 'elm_clinic' GROUP BY n"
        )
        conn.commit()
    second = send("POST", "", bundle("batch", ("PUT", patient(12))))
    with opened.work.connect() as conn:
        conn.execute("DELETE FROM push WHERE participant = 'oak_clinic'")
        conn.commit()
    numbers = [int(each.headers["content-location"].rpartition("/")[2]) for each in (first, second)]
    assert numbers[1] == numbers[0] + 1


def test_an_emergency_pushes_nothing(send, software, opened):
    before = _pushes(opened)
    emergency = replace(software, purpose="BTG")
    assert send("POST", "", bundle("batch", ("PUT", patient(13))), who=emergency).status_code == 403
    assert _pushes(opened) == before


def test_a_scope_without_the_letter_is_refused_and_nothing_is_kept(send, opened):
    before = _pushes(opened)
    for scope, method in (
        ("system/*.rs", "PUT"),
        ("system/Patient.cu", "DELETE"),
        ("system/Task.cud", "PUT"),
    ):
        assert send("POST", "", bundle("batch", (method, patient(8))), scope=scope).status_code == 403
    assert _pushes(opened) == before


def test_what_cannot_be_carried_out_is_refused_by_entry(send):
    good = bundle("batch", ("PUT", patient(9)))

    def spoiled(**changes):
        body = json.loads(json.dumps(good))
        body["entry"][0].update(changes)
        return body

    def transaction(request):
        return {**spoiled(request=request), "type": "transaction"}

    def doubled(one, other, urls):
        """Of two entries that are one to the pipeline the second would be lost."""
        entries = [
            {"fullUrl": f"urn:uuid:{url}", "resource": patient(9), "request": request}
            for request, url in zip((one, other), urls, strict=True)
        ]
        return {**good, "type": "transaction", "entry": entries}

    mrn, encoded = "identifier=urn:a|1", "identifier=urn%3Aa%7C1"
    hostile = [
        {**good, "type": "searchset"},
        {**good, "entry": []},
        {**good, "entry": {"a": 1}},
        spoiled(request={"method": "GET", "url": "Patient/p9"}),
        spoiled(request={"method": "PUT", "url": "Patient"}),
        spoiled(request={"method": "PUT", "url": "Patient?identifier=1"}),
        spoiled(request={"method": "PUT", "url": "Patient/other"}),
        spoiled(request={"method": "DELETE", "url": "Patient?identifier=1"}, resource=None),
        spoiled(request={"method": "POST", "url": "Patient"}),
        transaction({"method": "PUT", "url": "Patient?name=x"}),
        transaction({"method": "PUT", "url": "Patient?identifier=1&name=x"}),
        transaction({"method": "PUT", "url": "Patient/p9?identifier=1"}),
        transaction({"method": "PUT", "url": "Patient?identifier="}),
        transaction({"method": "PUT", "url": "Patient/p9", "ifNoneExist": "identifier=1"}),
        transaction({"method": "POST", "url": "Patient", "ifNoneExist": "name=x"}),
        transaction({"method": "POST", "url": "Patient", "ifNoneExist": 1}),
        transaction({"method": "POST", "url": "Patient?identifier=1"}),
        spoiled(request={"method": "PUT", "url": "../Patient/p9"}),
        spoiled(request={"method": "PUT", "url": "Patient/p9", "ifMatch": 'W/"1"'}),
        spoiled(request={"method": "POST", "url": "Patient/p9"}),
        spoiled(request=None),
        spoiled(resource={"resourceType": "Group", "id": "p9"}),
        spoiled(resource=None),
        bundle("batch", ("PUT", patient(9)), ("PUT", patient(9))),
        bundle("transaction", ("PUT", patient(9)), ("DELETE", patient(8))),
        doubled({"method": "POST", "url": "Patient"}, {"method": "PUT", "url": "Patient/p9"}, "ab"),
        doubled({"method": "POST", "url": "Patient"}, {"method": "POST", "url": "Patient"}, "ab"),
        doubled(
            {"method": "PUT", "url": f"Patient?{mrn}"}, {"method": "PUT", "url": f"Patient?{encoded}"}, "ab"
        ),
        doubled(
            {"method": "PUT", "url": "Patient?identifier=1"}, {"method": "PUT", "url": "Patient/p9"}, "aa"
        ),
    ]
    assert [send("POST", "", body).status_code for body in hostile] == [422] * len(hostile)
    assert send("POST", "", good, **{"Idempotency-Key": "a b"}).status_code == 400


def test_a_server_that_ends_its_connections_costs_no_request(opened, send):
    """As when it is restarted for an update."""
    assert send("GET", "/Patient?_count=1").status_code == 200
    with opened.work.connect() as connection:
        (ended,) = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'exchange_api'"
        ).fetchone()
    assert ended > 0
    assert send("GET", "/Patient?_count=1").status_code == 200
