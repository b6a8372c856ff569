"""A real deployment is examined, backed up and restored: records, payloads, and a provable audit log."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from exchange.app import find_partner, open_exchange
from exchange.app.deployment.backup import restore_backup, take_backup
from exchange.app.deployment.doctor import Around, examine
from exchange.app.privacy.auditing import seal_audit_log
from exchange.audit import Circumstances, Disclosed, Requester, append, query_entries
from exchange.cli.main import app
from exchange.model.errors import ContentError
from exchange.pipeline import upkeep
from exchange.pipeline.steps import run_partner
from exchange.repository import ensure_database
from exchange.repository.database.embedded import url_with
from exchange.settings import load_settings
from tests.pipeline.twins import make_twins

NOW = datetime.now(UTC)
ROLES = "roles and grants"
RLS = "ROW LEVEL SECURITY"
DIGESTS = "UPDATE migration SET digest = {}(digest)"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_twins(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def environment(home, tmp_path_factory, module_database):
    return {
        "EXCHANGE_HOME": str(home),
        "EXCHANGE_DATA": str(tmp_path_factory.mktemp("data")),
        "EXCHANGE_DATABASE_URL": module_database,
    }


@pytest.fixture(scope="module")
def settings(environment):
    return load_settings(environment)


@pytest.fixture(scope="module")
def opened(settings):
    """An exchange with records of a partner and an audit log with a seal and records after it."""
    exchange = open_exchange(settings)
    run_partner(exchange.work, find_partner(exchange.partners, "elm_clinic"))
    for _ in range(2):
        with exchange.work.connect() as connection:
            who = Requester("c", "elm_clinic", "Elm", "organization", "TREAT", "t")
            how = Circumstances(NOW, "https://hie.example", "192.0.2.1", "r")
            append(connection, query_entries(who, how, "GET /fhir/Patient", [Disclosed(str(uuid4()))]))
            connection.commit()
        seal_audit_log(exchange) if _ == 0 else None
    return exchange


@pytest.fixture(scope="module")
def backup(opened, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backups") / "one"
    take_backup(settings, folder, NOW)
    return folder


@pytest.fixture
def elsewhere(environment, settings, tmp_path, database_server):
    """An empty deployment with the same keys."""
    url = ensure_database(database_server, f"restored_{uuid4().hex}")
    keys = {"EXCHANGE_KEYRING": str(settings.keyring), "EXCHANGE_SIGNING_KEY": str(settings.signing_key)}
    yield load_settings({**environment, **keys, "EXCHANGE_DATA": str(tmp_path), "EXCHANGE_DATABASE_URL": url})
    with psycopg.connect(url_with(url, database="postgres"), autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {url_with(url).partition('?')[0].rpartition('/')[2]} WITH (FORCE)")


def rows(url, query):
    with psycopg.connect(url) as conn:
        return conn.execute(query).fetchall()


def test_what_was_backed_up_is_there_again_and_provable(opened, backup, elsewhere):
    made, findings = restore_backup(elsewhere, backup)
    assert findings == []
    assert made.audit_sequence == 2
    for query in (
        "SELECT type, fhir_id, version, body FROM resource ORDER BY 1, 2",
        "SELECT sequence, hash FROM audit_event ORDER BY 1",
        "SELECT record, digest, address FROM source_record ORDER BY 1",
        "SELECT name, digest FROM migration ORDER BY 1",
    ):
        before = rows(opened.database_url, query)
        assert before == rows(elsewhere.database_url, query), query
    restored = open_exchange(elsewhere)
    for (address,) in rows(
        elsewhere.database_url, "SELECT address FROM source_record WHERE address IS NOT NULL"
    ):
        assert restored.work.landing.get(address) == opened.work.landing.get(address)
    assert not [s for s in examine(elsewhere, Around(), lambda: datetime.now(UTC)) if s.state == "failed"]


def test_a_changed_record_shows_after_a_restore(backup, elsewhere):
    restore_backup(elsewhere, backup)
    with psycopg.connect(elsewhere.database_url) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE audit_event SET participant = 'nobody' WHERE sequence = 1")
    assert run(elsewhere, "audit", "verify").exit_code == 10


def test_a_backup_holds_no_words_of_patients_and_no_keys(opened, backup, settings):
    content = b"".join(path.read_bytes() for path in backup.rglob("*") if path.is_file())
    assert b"elm_clinic" not in (backup / "database.sealed").read_bytes()
    for key in opened.settings.keyring.read_text().split('"'):
        assert len(key) < 40 or key.encode() not in content


@pytest.mark.parametrize("damage", ["dump", "cut", "manifest", "keys", "landing", "database"])
def test_what_is_not_whole_or_not_empty_is_refused_and_nothing_is_there(
    opened, backup, elsewhere, settings, tmp_path, damage
):
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    dump = copy / "database.sealed"
    if damage in ("dump", "cut"):
        data = bytearray(dump.read_bytes())
        data[len(data) // 2] ^= 1
        dump.write_bytes(data if damage == "dump" else data[:-10])
    if damage == "manifest":
        (copy / "manifest.json").unlink()
    if damage == "keys":
        elsewhere = replace(elsewhere, keyring=tmp_path / "none.json")
    if damage == "landing":
        elsewhere = replace(elsewhere, landing=settings.landing)
    if damage == "database":
        elsewhere = replace(elsewhere, database_url=settings.database_url)
    with pytest.raises(ContentError):
        restore_backup(elsewhere, copy)
    if damage != "database":
        assert rows(elsewhere.database_url, "SELECT FROM pg_class WHERE relname = 'resource'") == []


def test_a_backup_writes_over_nothing(opened, backup, settings):
    with pytest.raises(ContentError):
        take_backup(settings, backup, NOW)


def run(settings, *arguments):
    environment = {
        "EXCHANGE_HOME": str(settings.home),
        "EXCHANGE_DATA": str(settings.data),
        "EXCHANGE_DATABASE_URL": settings.database_url,
        "EXCHANGE_KEYRING": str(settings.keyring),
        "EXCHANGE_SIGNING_KEY": str(settings.signing_key),
    }
    return CliRunner().invoke(app, list(arguments), env=environment)


def states(settings, around=None, now=lambda: datetime.now(UTC)):
    found = {}
    for symptom in examine(settings, around or Around(), now):
        worst = max(found.get(symptom.check, "ok"), symptom.state, key=("ok", "warning", "failed").index)
        found[symptom.check] = worst
    return found


def test_a_healthy_deployment_is_found_healthy(opened, settings):
    found = states(settings)
    assert {name for name, state in found.items() if state == "failed"} == set()
    assert found["rules in force"] == "warning"
    done = run(settings, "doctor", "--json")
    assert done.exit_code == 0
    assert {symptom["check"] for symptom in json.loads(done.stdout)} == set(found)


@pytest.mark.parametrize(
    ("harm", "undo", "check"),
    [
        ("GRANT INSERT ON resource TO", "REVOKE INSERT ON resource FROM", ROLES),
        ("GRANT SELECT ON source_record TO", "REVOKE SELECT ON source_record FROM", ROLES),
        (DIGESTS.format("upper"), DIGESTS.format("lower"), "database"),
        (f"ALTER TABLE panel DISABLE {RLS}", f"ALTER TABLE panel ENABLE {RLS}", ROLES),
        ("SELECT setval('latest_instant', 9999999999999)", "SELECT setval('latest_instant', 0)", "clock"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_database_is_named(opened, settings, harm, undo, check):
    with psycopg.connect(settings.database_url, autocommit=True) as conn:
        conn.execute(f"{harm} exchange_api" if harm.endswith(" TO") else harm)
        try:
            assert states(settings)[check] == "failed"
            assert run(settings, "doctor").exit_code == 1
        finally:
            conn.execute(f"{undo} exchange_api" if undo.endswith(" FROM") else undo)


def test_records_that_an_earlier_version_indexed_are_indexed_anew_by_themselves(opened, settings):
    with psycopg.connect(settings.database_url, autocommit=True) as conn:
        conn.execute("UPDATE search_index SET manner = 'of an earlier version'")
        (stored,) = conn.execute("SELECT count(*) FROM resource").fetchone()
        assert states(settings)["search"] == "warning"
        assert "reindex" in run(settings, "database", "migrate").stdout
        conn.execute("SELECT pg_advisory_lock(x'7265696E646578'::bigint)")
        assert upkeep.index_anew(opened.work) == 0, "another does it already"
        conn.execute("SELECT pg_advisory_unlock_all()")
    assert upkeep.index_anew(opened.work, timedelta()) == stored, "one batch at least"
    assert upkeep.index_anew(opened.work) == 0
    assert states(settings)["search"] == "ok"
    assert upkeep.index_anew(opened.work) == 0


def test_what_is_wrong_around_it_is_named(opened, settings, tmp_path):
    loose = tmp_path / "keyring.json"
    loose.write_text(settings.keyring.read_text())
    loose.chmod(0o644)
    assert states(replace(settings, keyring=loose))["keys"] == "failed"
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert states(replace(settings, landing=(blocked / "landing").as_uri()))["landing store"] == "failed"
    assert states(settings, now=lambda: datetime.now(UTC) + timedelta(minutes=1))["clock"] == "failed"
    assert states(settings, Around(airflow="http://127.0.0.1:9"))["airflow"] == "failed"
    assert states(settings, Around(certificate=blocked))["certificate"] == "failed"
    nowhere = "postgresql://postgres@127.0.0.1:9/none"
    assert states(replace(settings, database_url=nowhere))["database"] == "failed"
