"""Batches between steps: sealed NDJSON on object storage, so that no step hands PHI to a scheduler."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import fsspec
import orjson

from exchange.crypto import Keyring, seal, unseal


@dataclass(frozen=True, slots=True)
class Batches:
    """A folder (any fsspec URL) of sealed files, each by run, chunk and the name of what it holds."""

    root: str
    keyring: Keyring

    def write(self, run: int, chunk: int, kind: str, rows: Iterable[dict[str, Any]]) -> None:
        """Replaces the file in one move, so that a reader never sees half of it."""
        name = _name(run, chunk, kind)
        plain = b"\n".join(orjson.dumps(row) for row in rows)
        files, path = fsspec.core.url_to_fs(f"{self.root}/{name}")
        files.makedirs(files._parent(path), exist_ok=True)
        part = f"{path}.{uuid.uuid4().hex}.part"
        files.pipe_file(part, seal(plain, self.keyring, name.encode()))
        files.mv(part, path)

    def read(self, run: int, chunk: int, kind: str) -> list[dict[str, Any]]:
        """The rows; raises FileNotFoundError when it was not written."""
        name = _name(run, chunk, kind)
        files, path = fsspec.core.url_to_fs(f"{self.root}/{name}")
        plain = unseal(files.cat_file(path), self.keyring, name.encode())
        return [orjson.loads(line) for line in plain.splitlines()]

    def drop(self, run: int, chunk: int | None = None) -> None:
        """Forgets a published chunk's batches, or a run's: the landing store keeps the truth."""
        name = str(run) if chunk is None else f"{run}/{chunk}"
        files, path = fsspec.core.url_to_fs(f"{self.root}/{name}")
        while files.exists(path):
            with suppress(FileNotFoundError):  # somebody else forgets the same just now
                files.rm(path, recursive=True)


def _name(run: int, chunk: int, kind: str) -> str:
    return f"{run}/{chunk}/{kind}.ndjson.sealed"
