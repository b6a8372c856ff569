"""Is this deployment as it must be? Each check looks, changes nothing that stays, and says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import psycopg
from fsspec.core import url_to_fs

from exchange.app.opening import content, database_url
from exchange.app.privacy.activation import active_rules
from exchange.connectors.health import answers
from exchange.crypto import Keyring, certificate_ends, public_key
from exchange.mapping import load_maps
from exchange.model.errors import ExchangeError
from exchange.repository import has_replayed, index_state, log_end, unapplied, url_with
from exchange.settings import Settings

State = Literal["ok", "warning", "failed"]

_CLOCK = timedelta(seconds=5)
_CERTIFICATE = timedelta(days=30)
_SEALED = timedelta(hours=3)
_REVIEWED = timedelta(days=3)
_CATCHES_UP = 2.0
_LOGGED = [
    "log_min_messages",
    "log_min_error_statement",
    "log_error_verbosity",
    "log_statement",
    "log_parameter_max_length",
    "log_parameter_max_length_on_error",
]
_FREE_BYTES = 2 << 30
_FREE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Symptom:
    """What one check found; `detail` says what is there, and what to do when that is wrong."""

    check: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Around:
    """What is no setting: where TLS ends, and where Airflow answers."""

    certificate: Path | None = None
    airflow: str | None = None


Found = Iterator[tuple[State, str]]


def examine(settings: Settings, around: Around, now: Callable[[], datetime]) -> list[Symptom]:
    """Every check, in order; one that cannot be made has failed, and the others go on."""
    checks: dict[str, Callable[[], Found]] = {
        "content": lambda: _content(settings),
        "keys": lambda: _keys(settings),
        "disk": lambda: _disk(settings),
        "landing store": lambda: _writable(settings.landing),
        "exports": lambda: _writable(settings.exports),
        "certificate": lambda: _certificate(around.certificate, now()),
        "airflow": lambda: _airflow(around.airflow),
    }
    found = [symptom for name, check in checks.items() for symptom in _made(name, check)]
    try:
        with psycopg.connect(database_url(settings), connect_timeout=10) as conn:
            return found + _of_database(settings, conn, now)
    except (psycopg.Error, ExchangeError, OSError) as error:
        return [*found, Symptom("database", "failed", f"it cannot be reached ({type(error).__name__})")]


def _of_database(settings: Settings, conn: psycopg.Connection, now: Callable[[], datetime]) -> list[Symptom]:
    checks: dict[str, Callable[[], Found]] = {
        "database": lambda: _database(conn),
        "search": lambda: _search(conn),
        "roles and grants": lambda: _grants(conn),
        "the API's login": lambda: _login(settings, conn),
        "standby": lambda: _standby(settings, conn, now),
        "clock": lambda: _clock(conn, now),
        "rules in force": lambda: _rules(settings, conn),
        "audit log": lambda: _audit(conn, now()),
        "emergencies": lambda: _emergencies(conn, now()),
    }
    found: list[Symptom] = []
    for name, check in checks.items():
        found += _made(name, check)
        conn.rollback()
    return found


def _made(name: str, check: Callable[[], Found]) -> list[Symptom]:
    try:
        return [Symptom(name, state, detail) for state, detail in check()]
    except ExchangeError as error:
        return [Symptom(name, "failed", str(error))]
    except (OSError, ValueError, psycopg.Error) as error:
        return [Symptom(name, "failed", f"it could not be looked at ({type(error).__name__})")]


def _content(settings: Settings) -> Found:
    mappings, partners, context = content(settings)
    for partner in partners.values():
        if partner.feeds:
            load_maps(mappings, partner)
    yield "ok", f"{len(partners)} participants, {len(context.rules.rules)} rules"


def _keys(settings: Settings) -> Found:
    for path in (settings.keyring, settings.signing_key):
        if not path.exists():
            yield "failed", f"{path.name} is not there; it is made when the exchange is first opened"
        elif path.stat().st_mode & 0o077:
            yield "failed", f"{path.name} can be read by others; chmod 600"
        elif path == settings.keyring:
            ring = Keyring.load(path.read_text())
            yield "ok", f"keyring with {len(ring.keys)} keys, `{ring.active}` seals"
        else:
            public_key(path.read_text())
            yield "ok", "the signing key can be read"


def _disk(settings: Settings) -> Found:
    settings.data.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(settings.data)
    scarce = disk.free < _FREE_BYTES or disk.free < _FREE_SHARE * disk.total
    yield ("warning" if scarce else "ok"), f"{disk.free >> 30} of {disk.total >> 30} GiB are free"


def _writable(root: str) -> Found:
    files, folder = url_to_fs(root)
    probe = f"{folder}/.doctor-{uuid4().hex}"
    files.makedirs(folder, exist_ok=True)
    files.pipe_file(probe, b"probe")
    read = files.cat_file(probe)
    files.rm_file(probe)
    yield (
        ("ok", "can be written and read") if read == b"probe" else ("failed", "does not keep what is written")
    )


def _certificate(certificate: Path | None, now: datetime) -> Found:
    if certificate is None:
        return
    left = certificate_ends(certificate.read_bytes()) - now
    state: State = "failed" if left <= timedelta(0) else "warning" if left < _CERTIFICATE else "ok"
    yield state, f"it ends in {left.days} days"


def _airflow(url: str | None) -> Found:
    if url is not None:
        well = answers(f"{url.rstrip('/')}/api/v2/monitor/health")
        yield ("ok", "answers") if well else ("failed", "does not answer; is its api-server running?")


def _database(conn: psycopg.Connection) -> Found:
    number = conn.info.server_version // 10_000
    yield ("ok" if number >= 15 else "failed"), f"PostgreSQL {number}"
    missing = unapplied(conn)
    if missing:
        yield "failed", f"not of this version: {', '.join(missing)}; run `exchange database migrate`"
    else:
        yield "ok", "the schema is of this version"


def _search(conn: psycopg.Connection) -> Found:
    """Whether what this version's parameters find has been looked for in every record."""
    state = index_state(conn)
    if state.whole:
        yield "ok", "every record is indexed as this version does it"
        return
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE rid > %s) FROM resource", (state.reached,)
    ).fetchone()
    every, left = row or (0, 0)
    yield (
        "warning",
        (
            f"{left} of {every} records are indexed as an earlier version did it; `exchange upkeep` goes on"
            " with that, `exchange database reindex` does it now"
        ),
    )


_OPEN = ("client", "revoked_token")  # hold nothing about patients


def _grants(conn: psycopg.Connection) -> Found:
    """The role that serves requests reads through policies only, and writes to no table."""
    row = conn.execute(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
        " FROM pg_roles WHERE rolname = 'exchange_api'"
    ).fetchone()
    if row is None:
        yield "failed", "there is no role exchange_api; run `exchange database migrate`"
        return
    if row[0]:
        yield "failed", "exchange_api has rights of its own: NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB"
    tables = conn.execute(
        "SELECT relname, relrowsecurity, has_any_column_privilege('exchange_api', oid, 'SELECT'),"
        " has_table_privilege('exchange_api', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    ).fetchall()
    bare = sorted(
        name for name, protected, reads, _ in tables if reads and not protected and name not in _OPEN
    )
    written = sorted(name for name, _, _, writes in tables if writes)
    if bare:
        yield "failed", f"exchange_api reads without row-level security: {', '.join(bare)}"
    if written:
        yield "failed", f"exchange_api may write to {', '.join(written)}; revoke it"
    if not (row[0] or bare or written):
        yield "ok", f"exchange_api reads {sum(reads for _, _, reads, _ in tables)} tables and writes to none"


# Whether any of the latest records is seen: where nobody has said who asks, one is as good as all of them,
# and to find nothing among all takes as long as there are records.
_SEEN = "EXISTS (SELECT FROM resource WHERE rid BETWEEN %(rid)s - 1000 AND %(rid)s)"


def _latest(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT max(rid) FROM resource").fetchone()
    return int(row[0]) if row and row[0] else 0


def _login(settings: Settings, conn: psycopg.Connection) -> Found:
    """As the server logs in: it must not be able to become somebody else."""
    url = settings.api_database_url or url_with(database_url(settings), user="exchange_api")
    with psycopg.connect(url, connect_timeout=10) as api:
        user, other, seen = api.execute(
            f"SELECT session_user, session_user <> 'exchange_api', {_SEEN}", {"rid": _latest(conn)}
        ).fetchone() or ("", True, False)
    if other:
        yield "failed", f"the API logs in as {user}; it must be exchange_api"
    elif seen:
        yield "failed", "exchange_api sees records without having said who asks"
    else:
        yield "ok", "logs in as exchange_api, and sees nothing before it says who asks"
    held = conn.execute("SELECT within_clock('infinity') = 'infinity'").fetchone()
    if not held or not held[0]:
        yield "failed", "the exchange logs in as another role than the one that made the schema"


def _standby(settings: Settings, conn: psycopg.Connection, now: Callable[[], datetime]) -> Found:
    """Whether answers can come from it; the primary gives them all else."""
    if settings.standby_url is None:
        return
    with psycopg.connect(settings.standby_url, connect_timeout=10, autocommit=True) as there:
        recovers, other, seen, clock = there.execute(
            f"SELECT pg_is_in_recovery(), session_user <> 'exchange_api', {_SEEN}, clock_timestamp()",
            {"rid": _latest(conn)},
        ).fetchone() or (False, True, False, now())
        if other or seen:
            yield "failed", "the API must log in there as exchange_api, too"
        otherwise = _log_settings(conn).items() ^ _log_settings(there).items()
        if otherwise:
            names = ", ".join(sorted({name for name, _ in otherwise}))
            yield "failed", f"its log may quote rows where the primary's does not: set {names} alike"
        if abs(clock - now()) >= _CLOCK:
            yield "failed", f"its clock is {abs(clock - now()).total_seconds():.0f} s apart"
        reached = has_replayed(there, log_end(conn), _CATCHES_UP) if recovers else None
        if reached is None:
            yield "failed", "it is no standby of this primary (any more), and nobody is answered from it"
        elif reached:
            yield "ok", "follows the primary"
        else:
            behind = there.execute("SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::int")
            (seconds,) = behind.fetchone() or (None,)
            text = (
                "it has replayed nothing" if seconds is None else f"what it replayed last is {seconds} s old"
            )
            yield "warning", f"{text}; the primary answers meanwhile"


def _log_settings(conn: psycopg.Connection) -> dict[str, str]:
    return dict(
        conn.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [_LOGGED]).fetchall()
    )


def _clock(conn: psycopg.Connection, now: Callable[[], datetime]) -> Found:
    row = conn.execute(
        "SELECT clock_timestamp(), (SELECT to_timestamp(last_value / 1000.0) FROM latest_instant)"
    ).fetchone()
    here = now()
    there, latest = row or (here, here)
    apart = abs(there - here)
    yield ("ok" if apart < _CLOCK else "failed"), f"{apart.total_seconds():.1f} s apart from the database's"
    if latest > here + _CLOCK:
        yield "failed", "behind what was decided already; see `exchange database clock`"


def _rules(settings: Settings, conn: psycopg.Connection) -> Found:
    if settings.activation == "demo":
        yield "warning", "consent/ as it lies, signed by nobody (EXCHANGE_ACTIVATION=demo)"
        return
    rules = active_rules(conn, settings.signing_key.read_text())
    yield "ok", f"rules {rules.digest[:12]}, signed by two officers"


def _audit(conn: psycopg.Connection, now: datetime) -> Found:
    row = conn.execute(
        "SELECT h.sequence, s.sequence, s.sealed FROM audit_head h"
        " LEFT JOIN LATERAL (SELECT * FROM audit_seal ORDER BY sequence DESC LIMIT 1) s ON true"
    ).fetchone()
    head, sealed, at = row or (0, None, None)
    late = head != (sealed or 0) and (at is None or now - at > _SEALED)
    text = f"{head} records, {sealed or 0} of them under a seal"
    yield ("warning", f"{text}; run `exchange audit seal`, is the upkeep running?") if late else ("ok", text)


def _emergencies(conn: psycopg.Connection, now: datetime) -> Found:
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE at < %s) FROM emergency_access WHERE decision IS NULL",
        (now - _REVIEWED,),
    ).fetchone()
    waiting, old = row or (0, 0)
    yield ("warning" if old else "ok"), f"{waiting} wait for review, {old} of them for more than three days"


def now_utc() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)
