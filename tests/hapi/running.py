"""Builds HAPI FHIR's JPA server and runs it on an embedded PostgreSQL of its own, all on loopback."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from exchange.repository.database import embedded

_POM = Path(__file__).parent / "pom.xml"
_BUILD_SECONDS, _START_SECONDS = 900, 300


class NotToBeHad(Exception):
    """There is no Java or no Maven here, or Maven does not reach its registry."""


def built(folder: Path) -> str:
    """The class path of the server, built into `folder`; raises NotToBeHad."""
    if not shutil.which("java") or not shutil.which("mvn"):
        raise NotToBeHad("no java or no mvn")
    command = ["mvn", "-q", "-B", "-f", str(_POM), f"-Dbuild.folder={folder}", "compile"]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={folder / 'lib'}"]
    made = subprocess.run(command, capture_output=True, timeout=_BUILD_SECONDS, check=False)
    if made.returncode:
        raise NotToBeHad("mvn could not build it")
    return f"{folder / 'classes'}:{folder / 'lib'}/*"


@contextmanager
def hapi_server(folder: Path) -> Iterator[str]:
    """Its base URL while the block runs; raises NotToBeHad."""
    path = built(folder / "build")
    with _database_server(folder) as (address, url):
        embedded.ensure_database(url, "hapi")
        with _running(path, address, "hapi", folder) as base:
            yield base


@contextmanager
def hapi_twins(folder: Path, fill: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Base URLs of two servers over the same rows, those that `fill` put into one of them before."""
    path = built(folder / "build")
    with _database_server(folder) as (address, url):
        embedded.ensure_database(url, "one")
        with _running(path, address, "one", folder) as base:
            fill(base)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE other TEMPLATE one")
        with _running(path, address, "one", folder) as one, _running(path, address, "other", folder) as other:
            yield one, other


@contextmanager
def _database_server(folder: Path) -> Iterator[tuple[str, str]]:
    """Its address and the URL of its first database."""
    # An address of its own, so that no other server on this machine has its port.
    address = f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
    url = embedded.ensure_running(folder / "postgres", {"listen_addresses": address})
    try:
        yield address, embedded.url_with(url, database="postgres")
    finally:
        embedded.stop(folder / "postgres")


@contextmanager
def _running(path: str, address: str, database: str, folder: Path) -> Iterator[str]:
    log = folder / f"{database}.log"
    with log.open("wb") as output:
        command = ["java", "-Xmx3g", "-cp", path, "HapiServer"]
        command += [f"jdbc:postgresql://{address}:5432/{database}", "postgres"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{_port(process, log)}/fhir"
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listening on (\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.2)
    raise RuntimeError(f"HAPI FHIR did not start: {log.read_text()[-2000:]}")
