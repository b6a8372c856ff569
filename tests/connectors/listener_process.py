"""A real listener in a process of its own, to be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.crypto import Keyring

LISTENER = """
import sys
from pathlib import Path
from exchange.connectors import LocalPaths
from exchange.connectors.mllp_listener import serve
from exchange.crypto import Keyring
from exchange.model.partner import Partner
folder = Path(sys.argv[1])
partner = Partner.model_validate({
    "code": "lake", "namespace": "https://lake.example/",
    "organization": {"name": "Lake", "type": "hospital"},
    "agreement": {"type": "BAA", "signed": "2026-01-01"},
    "connector": {"type": "mllp", "options": {"port": "${PORT}"}},
    "feeds": {"messages": {"format": "hl7v2", "map": "adt.map.yaml"}},
})
local = LocalPaths(folder, Keyring.load((folder / "keyring").read_text()))
serve(partner, {"PORT": "0"}, local, lambda host, port: print(port, flush=True))
"""


@contextmanager
def process(folder: Path, keyring: Keyring) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A listener whose journal is in `folder`/mllp/lake, and its port; killed at the end."""
    (folder / "keyring").write_text(keyring.dump())
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout is not None
    try:
        yield listener, int(listener.stdout.readline())
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()
