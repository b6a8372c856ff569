"""The Minimal Lower Layer Protocol: bytes from a socket become blocks, however they were cut.

HL7 Transport Specification: MLLP, Release 1. A block is ``<VT> content <FS><CR>``; content holds
neither VT nor FS, so that FS alone ends it and a missing CR does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

START, END = b"\x0b", b"\x1c"
_KEPT_OF_OVERSIZE = 4096


@dataclass(frozen=True, slots=True)
class Block:
    """One block's content; of an oversize one only the beginning is kept."""

    content: bytes
    is_oversize: bool = False


class BlockReader:
    """Collects bytes and hands out blocks as they become whole; holds at most `largest` bytes."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = bytearray()
        self._inside = False
        self._dropping = False

    def feed(self, data: bytes) -> list[Block]:
        """The blocks that `data` completes; what lies between blocks is skipped."""
        blocks, at = [], 0
        while at < len(data):
            if not self._inside:
                at = data.find(START, at) + 1
                if not at:
                    break
                self._inside = True
            end = data.find(END, at)
            self._hold(data[at : end if end >= 0 else len(data)])
            if end < 0:
                break
            blocks.append(self._take())
            at = end + 1
        return blocks

    def _hold(self, part: bytes) -> None:
        if self._dropping:
            return
        self._held += part
        if len(self._held) > self._largest:
            self._dropping = True
            del self._held[_KEPT_OF_OVERSIZE:]

    def _take(self) -> Block:
        block = Block(bytes(self._held), self._dropping)
        self._held.clear()
        self._inside = self._dropping = False
        return block
