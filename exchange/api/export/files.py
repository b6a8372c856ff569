"""Files of exports at rest: compressed, and encrypted under a key of their job that the database keeps.

With the job's row its key is gone, and with the key whatever copy of a file was left anywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
from fsspec.core import url_to_fs

from exchange.crypto import Keyring, decrypt, encrypt, new_data_key, seal, unseal
from exchange.repository import Line

_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Exports:
    """Where files lie (fsspec URL), and the keyring that seals their keys."""

    root: str
    keyring: Keyring = field(repr=False)

    def new_key(self, job: str) -> bytes:
        """A data key, sealed for the row of the job."""
        return seal(new_data_key(), self.keyring, _context(job))

    def write(self, job: str, ordinal: int, sealed_key: bytes, lines: Sequence[Line]) -> None:
        """Writes a file; one of the same number, left by a process that died, is overwritten."""
        index = [[len(line.body), line.type, line.id, line.about, line.parts] for line in lines]
        plain = orjson.dumps(index) + b"\n" + b"".join(line.body for line in lines)
        key = unseal(sealed_key, self.keyring, _context(job))
        content = encrypt(zlib.compress(plain, 1), key, _context(job, ordinal))
        files, root = url_to_fs(self.root)
        files.makedirs(f"{root}/{job}", exist_ok=True)
        files.pipe_file(f"{root}/{job}/{ordinal}.sealed", content)

    def read(self, job: str, ordinal: int, sealed_key: bytes) -> list[Line] | None:
        """The lines of a file; None when it is not there, raises SealBroken when it was altered."""
        files, root = url_to_fs(self.root)
        try:
            content = files.cat_file(f"{root}/{job}/{ordinal}.sealed")
        except FileNotFoundError:
            return None
        key = unseal(sealed_key, self.keyring, _context(job))
        plain = zlib.decompressobj().decompress(decrypt(content, key, _context(job, ordinal)), _MOST_BYTES)
        head, _, bodies = plain.partition(b"\n")
        lines, offset = [], 0
        for length, kind, fhir_id, about, parts in orjson.loads(head):
            told = tuple((part[0], part[1], part[2]) for part in parts)
            lines.append(Line(kind, fhir_id, about, told, bodies[offset : offset + length]))
            offset += length
        return lines

    def remove(self, job: str) -> None:
        """Deletes all files of a job; nothing happens when there are none."""
        files, root = url_to_fs(self.root)
        with suppress(FileNotFoundError):
            files.rm(f"{root}/{job}", recursive=True)


def _context(job: str, ordinal: int | None = None) -> bytes:
    return f"export {job}".encode() if ordinal is None else f"export {job} {ordinal}".encode()
