"""Merkle trees over the hashes of records, and the proof that one is among them: pure.

Hashes of leaves and nodes differ in their first byte (https://www.rfc-editor.org/rfc/rfc9162#section-2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

_LEAF, _NODE = b"\x00", b"\x01"


def root(leaves: Sequence[bytes]) -> bytes:
    """Root hash of a tree; of an empty one the hash of nothing.

    >>> root([b"a"]) == sha256(b"\\x00a").digest()
    True
    """
    if not leaves:
        return sha256().digest()
    level = [sha256(_LEAF + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from the leaf at `index` to the root, nearest first."""
    level = [sha256(_LEAF + leaf).digest() for leaf in leaves]
    found = []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
        index //= 2
    return found


def leads_to(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes | None:
    """The root that a path of RFC 9162 section 2.1.3.2 leads to; None when it does not fit the size."""
    if not 0 <= index < size:
        return None
    position, last = index, size - 1
    digest = sha256(_LEAF + leaf).digest()
    for beside in hashes:
        if last == 0:
            return None
        if position & 1 or position == last:
            digest = _node(beside, digest)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            digest = _node(digest, beside)
        position, last = position >> 1, last >> 1
    return digest if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
