"""A primary of its own and hot standbys that follow it: real servers in folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from exchange.repository.database import embedded
from exchange.repository.database.migrate import migrate

_SMALL = {"shared_buffers": "64MB", "max_wal_size": "256MB", "max_connections": "60"}
FAST = {**_SMALL, "fsync": "off", "full_page_writes": "off"}
"""They need not survive a power cut."""


@contextmanager
def primary(under: Path | None, settings: Mapping[str, str] = FAST) -> Iterator[str]:
    """URL of the migrated database of a new server."""
    with _folder(under) as folder:
        url = embedded.ensure_running(folder, settings)
        migrate(url)
        yield url


@contextmanager
def standby_of(
    url: str, under: Path | None, settings: Mapping[str, str] = FAST
) -> Iterator[tuple[str, Path]]:
    """URL and folder of a hot standby of the server at `url`."""
    with _folder(under) as folder:
        copy(url, folder)
        yield embedded.ensure_running(folder, settings), folder


def copy(url: str, folder: Path) -> None:
    """What an operator does once: a copy of the files, and whom to follow."""
    account, data = embedded._account(), folder / "data"
    for path in (data, folder / "log"):
        path.mkdir(mode=0o700) if path == data else path.touch(mode=0o600)
        if account:
            os.chown(path, *account)
    if account:
        embedded._let_others_in(folder)
    server = embedded.url_with(url, database="postgres")
    embedded._run(account, "pg_basebackup", f"--dbname={server}", f"--pgdata={data}", "--checkpoint=fast")
    signal = data / "standby.signal"
    signal.touch()
    if account:
        os.chown(signal, *account)
    with (data / "postgresql.conf").open("a") as conf:
        conf.write(f"primary_conninfo = '{server}'\n")


@contextmanager
def _folder(under: Path | None) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="exchange-test-", dir=under))
    try:
        yield folder
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder)
