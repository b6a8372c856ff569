"""Keys of this deployment: read from their files, made once where there are none yet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from exchange.crypto import Keyring, new_signing_key


def load_keyring(path: Path) -> Keyring:
    """The sealing keys."""
    return Keyring.load(_read_or_make(path, lambda: Keyring.generate().dump()))


def load_signing_key(path: Path) -> str:
    """The Ed25519 private key, as PEM."""
    return _read_or_make(path, new_signing_key)


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    """Two processes that come at once end up with the same key: the first link wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        part.unlink()
    return path.read_text()
