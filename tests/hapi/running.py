"""Builds HAPI FHIR's JPA server and runs it on an embedded PostgreSQL of its own, all on loopback."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    # An address of its own, so that no other server on this machine has its port.
    address = f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
    url = embedded.ensure_running(folder / "postgres", {"listen_addresses": address})
    try:
        embedded.ensure_database(embedded.url_with(url, database="postgres"), "hapi")
        database = f"jdbc:postgresql://{address}:5432/hapi"
        log = folder / "hapi.log"
        with log.open("wb") as output:
            command = ["java", "-Xmx3g", "-cp", path, "HapiServer", database, "postgres"]
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield f"http://127.0.0.1:{_port(process, log)}/fhir"
        finally:
            process.kill()
            process.wait()
    finally:
        embedded.stop(folder / "postgres")


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listening on (\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.2)
    raise RuntimeError(f"HAPI FHIR did not start: {log.read_text()[-2000:]}")
