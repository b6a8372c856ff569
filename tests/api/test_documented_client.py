"""The client that docs/api.md shows is run against a served API."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.api.serve import Address, serving
from exchange.model.ids import golden_id

PAGE = Path(__file__).parents[2] / "docs/api.md"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address(port=free.getsockname()[1])


def test_the_client_of_the_page_gets_every_page(service, address, software, records, tmp_path):
    people = [records.patient("prairie_clinic", f"p{n}", name=[{"family": f"Sample{n}"}]) for n in range(25)]
    (shown,) = re.findall(r"<!-- example: client -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "private.pem").write_text(software.private_key)
    base = f"http://127.0.0.1:{address.port}"
    environment = {
        "FHIR_BASE": f"{base}/fhir",
        "CLIENT_ID": software.client_id,
        "ORGANIZATION": f"urn:mosaic:partner:{software.participant}",
        "PRIVATE_KEY": str(tmp_path / "private.pem"),
        "KEY_ID": software.jwk["kid"],
    }
    with serving(replace(service, base_url=base), address):
        done = subprocess.run(
            [sys.executable, "-c", shown],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert sorted(done.stdout.split("\n")) == ["", *sorted(f"Patient {golden_id(p)}" for p in people)]
