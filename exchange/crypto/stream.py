"""Long things encrypted block by block: no block can be altered, left out, moved or cut off at the end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import IO

from exchange.crypto.seal import SealBroken, decrypt, encrypt

_BLOCK = 4 << 20
_LENGTH = 4
_OVERHEAD = 28


def encrypt_stream(source: IO[bytes], key: bytes, context: bytes) -> Iterator[bytes]:
    """Pieces to be written one after the other; `context` says where the thing belongs."""
    block = source.read(_BLOCK)
    for number in count():
        following = source.read(_BLOCK) if block else b""
        sealed = encrypt(block, key, _context(context, number, not following))
        yield len(sealed).to_bytes(_LENGTH, "big") + sealed
        if not following:
            return
        block = following


def decrypt_stream(source: IO[bytes], key: bytes, context: bytes) -> Iterator[bytes]:
    """What was encrypted, block by block; raises SealBroken before anything that is not as it was."""
    head = source.read(_LENGTH)
    for number in count():
        length = int.from_bytes(head, "big")
        if len(head) != _LENGTH or not _OVERHEAD <= length <= _BLOCK + _OVERHEAD:
            raise SealBroken("the stream was cut off or altered")
        sealed = source.read(length)
        head = source.read(_LENGTH)
        yield decrypt(sealed, key, _context(context, number, not head))
        if not head:
            return


def _context(context: bytes, number: int, last: bool) -> bytes:
    return context + b" %d %s" % (number, b"last" if last else b"more")
