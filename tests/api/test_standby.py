"""A real hot standby is read: the same bytes, a revocation binds at once, its end is not noticed."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from exchange.api import create_app, interactions
from exchange.api.export.produce import work_once
from exchange.api.metrics import Metrics
from exchange.app.deployment import doctor
from exchange.cli.service import standby_at
from exchange.repository import LogEnd, has_replayed, log_end, url_with
from exchange.settings import load_settings
from tests.databases import empty, janitor, make_reusable
from tests.standbys import FAST, primary, standby_of

from .conftest import BASE_URL
from .test_proving import CLINIC, _compare_servers, populated, served  # noqa: F401 - a fixture

_UNDER = Path(os.environ["EXCHANGE_TEST_POSTGRES"]).parent
_SETTINGS = {**FAST, "autovacuum": "off"}  # what it removes ends a reading now and then


@pytest.fixture(scope="module")
def servers():
    """URLs of a primary and of its standby."""
    with primary(_UNDER, _SETTINGS) as url:
        make_reusable(url)
        with standby_of(url, _UNDER, _SETTINGS) as (other, _), janitor(url) as emptying:
            yield url, other, emptying


@pytest.fixture
def database(servers):
    url, _, emptying = servers
    empty(emptying)
    return url


@pytest.fixture
def followed(service, servers):
    """The service with the standby."""
    with standby_at(url_with(servers[1], user="exchange_api")) as standby:
        standby.pool.wait()
        yield replace(service, standby=standby)


@contextmanager
def client(service):
    with TestClient(create_app(service, Metrics()), base_url=BASE_URL) as opened:
        yield opened


@pytest.fixture
def api(followed):
    with client(followed) as opened:
        yield opened


@pytest.fixture
def person(records):
    """Somebody of whom the hospital sees one result and not the other."""
    found = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}], birthDate="1980-02-03")
    records.observation("prairie_clinic", found, "seen")
    records.observation("prairie_clinic", found, "hidden", "HIV")
    return found


@pytest.fixture
def observer(servers):
    """The standby as its operator sees it."""
    with psycopg.connect(servers[1], autocommit=True) as conn:
        yield conn


def counted(service):
    """Views by server, and why the standby could not be asked."""
    metrics = service.standby.metrics
    return {
        sample.labels.get("server") or sample.labels.get("reason"): int(sample.value)
        for counter in (metrics.reads, metrics.left)
        for found in counter.collect()
        for sample in found.samples
        if sample.name.endswith("_total")
    }


def told(answer):
    return (
        answer.status_code,
        {k: v for k, v in answer.headers.items() if k != "x-request-id"},
        answer.content,
    )


EXITS = (
    "Patient/{person}", "Patient/{person}/_history", "Patient?name=kowalska&_total=accurate",
    "Patient?_has:Observation:patient:code=2345-7", "Observation?subject:Patient.name=kowalska",
    "Observation?_include=Observation:subject&_sort=-date&_count=1", "Observation/_history?_count=1",
    "Observation?code:missing=false&_summary=count", "Patient?_revinclude=Observation:subject",
    "Patient/{person}/$everything", "Patient/{person}/Observation", "Patient/{person}/*",
    "Patient/{person}/$summary", "Observation/$lastn?patient={person}",
    "DocumentReference/$docref?patient={person}",
    "Observation/00000000-0000-4000-8000-000000000000", "Observation?code=a%00b", "Observation?nosuch=1",
)  # fmt: skip


def test_every_exit_is_answered_there_with_the_same_bytes(followed, person, hospital, token_of, audit_rows):
    headers = {"Authorization": f"Bearer {token_of(hospital)}", "X-Request-Id": "one"}
    paths = [path.format(person=person) for path in EXITS]
    recorded, at = len(audit_rows()), followed.clock()
    still = replace(followed, clock=lambda: at)
    with client(still) as there, client(replace(still, standby=None)) as here:
        first = [told(there.get(f"/fhir/{path}", headers=headers)) for path in paths]
        between = audit_rows()
        second = [told(here.get(f"/fhir/{path}", headers=headers)) for path in paths]
    after = audit_rows()
    assert first == second
    assert {status for status, *_ in first} == {200, 404, 400}
    assert counted(followed) == {"standby": len(paths) - 2}  # two are refused before anything is read
    assert between[recorded:] == after[len(between) :]
    assert len(between) - recorded >= len(paths) - 2


def test_what_is_searched_by_post_and_matched_is_read_there(followed, api, person, hospital, ask):
    by_form = ask(hospital, "Patient/_search", method="POST", data={"name": "kowalska"})
    body = {"resourceType": "Patient", "name": [{"family": "Kowalska"}], "birthDate": "1980-02-03"}
    matched = ask(hospital, "Patient/$match", method="POST", json=body)
    version = ask(hospital, f"Patient/{person}").json()["meta"]["versionId"]
    read = ask(hospital, f"Patient/{person}/_history/{version}")
    unchanged = ask(hospital, f"Patient/{person}", headers={"If-None-Match": f'W/"{version}"'})
    assert [a.status_code for a in (by_form, matched, read, unchanged)] == [200, 200, 200, 304]
    assert counted(followed) == {"standby": 5}


def test_what_writes_stays_at_the_primary(followed, person, register, ask, token_of):
    hospital = register("lakeside_hospital", scopes=["system/*.cruds"])
    begun = ask(hospital, "Patient/$export", headers={"Prefer": "respond-async"})
    why = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "ours"}]}
    path = f"Patient/{person}/$attest-relationship"
    stated = ask(hospital, path, method="POST", json=why, token=token_of(hospital, scope="system/Group.c"))
    listed = ask(hospital, "Subscription")
    assert [begun.status_code, stated.status_code, listed.status_code] == [202, 201, 200]
    assert counted(followed) == {}


def exported(service, token):
    """Everything in the files of an export of Observations."""
    headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"}
    with client(service) as api:
        place = api.get("/fhir/$export?_type=Observation", headers=headers).headers["content-location"]
        while work_once(service):
            pass
        files = api.get(place, headers=headers).json()["output"]
        return [api.get(file["url"], headers=headers).content for file in files]


def test_files_of_an_export_are_written_from_there(
    followed, person, hospital, token_of, monkeypatch, records
):
    token = token_of(hospital)
    first = exported(followed, token)
    assert counted(followed) == {"standby": 1}
    assert first == exported(replace(followed, standby=None), token)
    assert [len(lines.splitlines()) for lines in first] == [1]
    monkeypatch.setattr(followed.standby.pool, "connection", unreachable)
    assert first == exported(followed, token)
    assert counted(followed) == {"standby": 1, "unreachable": 1}


def unreachable(timeout):
    raise psycopg.OperationalError


def test_a_revocation_just_committed_binds_at_the_next_answer(followed, person, hospital, ask, records):
    path = "Observation?code=2345-7&_summary=count"
    seen = []
    for version in range(1, 13):
        records.consent("prairie_clinic", person, "deny" if version % 2 else "permit", "access",
                        version=str(version))  # fmt: skip
        seen.append(ask(hospital, path).json()["total"])
    assert seen == [0, 1] * 6
    assert counted(followed)["standby"] == 12


def test_a_standby_that_lags_is_not_read(followed, person, hospital, ask, records, observer):
    path = f"Patient/{person}/Observation"
    assert ask(hospital, path).json()["total"] == 1
    observer.execute("SELECT pg_wal_replay_pause()")
    try:
        records.consent("prairie_clinic", person, "deny", "access")
        answers = [ask(hospital, path) for _ in range(3)]
        assert [(a.status_code, a.json()["total"]) for a in answers] == [(200, 0)] * 3
        # It is asked once, and left alone for the others.
        assert counted(followed) == {"standby": 1, "behind": 1, "primary": 3}
    finally:
        observer.execute("SELECT pg_wal_replay_resume()")
    followed.standby.rests_until = 0.0
    assert ask(hospital, path).json()["total"] == 0
    assert counted(followed)["standby"] == 2


def test_a_token_revoked_at_the_primary_opens_nothing_there(followed, person, hospital, ask, token_of, api):
    token = token_of(hospital)
    assert ask(hospital, f"Patient/{person}", token=token).status_code == 200
    asked = {**hospital.form(), "token": token}
    assert api.post("/auth/revoke", data=asked).status_code == 200
    assert ask(hospital, f"Patient/{person}", token=token).status_code == 401
    assert counted(followed) == {"standby": 1}


BREAK_THE_LOG = {
    "refused at once": "REVOKE EXECUTE ON FUNCTION audit_append FROM exchange_api",
    "refused at the end": """
        CREATE FUNCTION tests.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON audit_event DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION tests.refuse()""",
}
MEND_THE_LOG = """
    GRANT EXECUTE ON FUNCTION audit_append TO exchange_api;
    DROP TRIGGER IF EXISTS refuse ON audit_event;
    DROP FUNCTION IF EXISTS tests.refuse()"""


@pytest.mark.parametrize("breaking", BREAK_THE_LOG.values(), ids=BREAK_THE_LOG)
def test_what_cannot_be_recorded_does_not_leave(
    followed, person, hospital, ask, token_of, database, audit_rows, breaking
):
    token = token_of(hospital)
    recorded = len(audit_rows())
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(breaking)
        try:
            answer = ask(hospital, f"Patient/{person}", token=token)
        finally:
            conn.execute(MEND_THE_LOG)
    assert answer.status_code >= 500
    assert "Kowalska" not in answer.text
    assert len(audit_rows()) == recorded
    assert "behind" not in counted(followed)


@contextmanager
def set_at(observer, name, value):
    """A setting of the standby is another while the block runs."""
    (before,) = observer.execute(f"SHOW {name}").fetchone()
    change_setting(observer, name, value)
    try:
        yield
    finally:
        change_setting(observer, name, before)


def change_setting(observer, name, value):
    observer.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    observer.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while observer.execute(f"SHOW {name}").fetchone() != (value,):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def hurried(observer):
    """What is replayed goes before what is read."""
    with set_at(observer, "max_standby_streaming_delay", "0"):
        yield


@contextmanager
def at_its_reading(monkeypatch, event):
    """`event` happens once, in the middle of an answer, after its view was opened."""
    whole, happened = interactions.find, []

    def find(view, *rest):
        if not happened:
            happened.append(view)
            whole(view, *rest)
            event()
        return whole(view, *rest)

    monkeypatch.setattr(interactions, "find", find)
    yield
    assert happened[0].recorder is not None, "it was not read at the standby"


def test_what_is_replayed_over_a_reading_is_not_noticed(
    followed, person, hospital, ask, database, observer, hurried, monkeypatch, audit_rows, token_of
):
    """The standby ends a reading that is in the way of what it has to replay, such as a migration."""
    token = token_of(hospital)
    expected = ask(hospital, f"Patient/{person}", token=token).content
    recorded = len(audit_rows())

    def migrate():
        with psycopg.connect(database) as conn:
            conn.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            conn.commit()
            end = log_end(conn)
        assert has_replayed(observer, end, 10)

    with at_its_reading(monkeypatch, migrate):
        answer = ask(hospital, f"Patient/{person}", token=token)
    assert (answer.status_code, answer.content) == (200, expected)
    assert counted(followed) == {"standby": 1, "conflict": 1, "primary": 1}
    assert len(audit_rows()) == recorded + 1


def test_a_standby_killed_in_the_middle_of_an_answer_is_not_noticed(
    service, person, hospital, token_of, servers, monkeypatch, audit_rows
):
    headers = {"Authorization": f"Bearer {token_of(hospital)}"}
    recorded = len(audit_rows())
    with standby_of(servers[0], _UNDER) as (url, folder), standby_at(url) as standby:
        standby.pool.wait()
        followed = replace(service, standby=standby)

        def kill():
            number = int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(number, signal.SIGQUIT)
            with suppress(ProcessLookupError):
                while True:
                    os.kill(number, 0)
                    if "Z" in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[:1]:
                        break
                    time.sleep(0.01)

        with at_its_reading(monkeypatch, kill), client(followed) as api:
            answers = [api.get(f"/fhir/Patient/{person}", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert counted(followed) == {"unreachable": 1, "primary": 3}
    assert len(audit_rows()) == recorded + 3


def test_a_server_that_follows_another_log_is_not_read(service, person, hospital, token_of, database_template,
                                                       database_server, servers):  # fmt: skip
    headers = {"Authorization": f"Bearer {token_of(hospital)}"}
    other = url_with(database_server, database=database_template)
    with standby_at(other) as standby, client(followed := replace(service, standby=standby)) as api:
        assert api.get(f"/fhir/Patient/{person}", headers=headers).status_code == 200
    assert counted(followed) == {"another": 1, "primary": 1}


def test_positions_are_compared_within_one_log_alone(database, observer):
    with psycopg.connect(database) as conn:
        end = log_end(conn)
    behind = LogEnd(end.system, end.timeline, "FFFFFFFF/0")
    assert has_replayed(observer, end, 10) is True
    assert has_replayed(observer, behind, 0) is False
    assert has_replayed(observer, end._replace(timeline=end.timeline + 1), 0) is None
    assert has_replayed(observer, end._replace(system=end.system + 1), 0) is None
    with psycopg.connect(database) as conn:
        assert has_replayed(conn, end, 0) is None


def test_the_operator_sees_where_requests_went(followed, person, hospital, token_of):
    metrics = Metrics()
    headers = {"Authorization": f"Bearer {token_of(hospital)}"}
    with TestClient(create_app(followed, metrics), base_url=BASE_URL, headers=headers) as api:
        api.get(f"/fhir/Patient/{person}")
    followed.standby.could_not("behind")
    lines = metrics.text().splitlines()
    assert 'exchange_api_reads_total{server="standby"} 1.0' in lines
    assert 'exchange_api_standby_left_total{reason="behind"} 1.0' in lines
    assert "exchange_api_standby_wait_seconds_count 1.0" in lines


@pytest.mark.usefixtures("populated")
@pytest.mark.slow  # a cold look at what the exits above show
def test_the_prover_finds_no_difference(followed, database, register, monkeypatch):
    @contextmanager
    def connect():
        with psycopg.connect(database) as conn:
            yield conn

    register("prairie_clinic")
    with served(followed) as one, served(replace(followed, standby=None)) as other:
        found = _compare_servers(connect, one, other, (CLINIC, CLINIC), monkeypatch)
    assert (found.exit_code, json.loads(found.stdout)["holds"]) == (0, True)
    assert counted(followed)["standby"] > 20


@pytest.fixture
def examined(database, monkeypatch):
    """What the doctor says of a standby at a URL."""
    monkeypatch.setattr(doctor, "_CATCHES_UP", 0.05)

    def examine(url):
        settings = load_settings({"EXCHANGE_STANDBY_URL": url})
        with psycopg.connect(database) as conn:
            return list(doctor._standby(settings, conn, doctor.now_utc))

    return examine


def test_a_deployment_is_told_whether_its_standby_answers(examined, servers, database, observer):
    as_api = url_with(servers[1], user="exchange_api")
    assert examined("") == []
    assert examined(as_api) == [("ok", "follows the primary")]
    assert [state for state, _ in examined(url_with(database, user="exchange_api"))] == ["failed"]
    assert examined(servers[1])[0] == ("failed", "the API must log in there as exchange_api, too")
    with set_at(observer, "log_min_error_statement", "error"):
        ((state, text), _) = examined(as_api)
    assert (state, text.endswith("set log_min_error_statement alike")) == ("failed", True)
    observer.execute("SELECT pg_wal_replay_pause()")
    try:
        with psycopg.connect(database) as conn:
            conn.execute("CREATE TABLE tests.more (n int)")
        ((state, text),) = examined(as_api)
    finally:
        observer.execute("SELECT pg_wal_replay_resume()")
        with psycopg.connect(database) as conn:
            conn.execute("DROP TABLE tests.more")
    assert state == "warning"
    assert text.endswith("the primary answers meanwhile")
