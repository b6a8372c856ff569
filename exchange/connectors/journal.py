"""The MLLP listener's journal: what it has acknowledged, sealed, until a pull has landed it.

A folder of numbered segments. A segment begins with its data key in an envelope and goes on with frames,
one per commit: ``magic | length | encrypted batch of messages``. Each start of the writer begins a new
segment, so that a position once read never comes to mean something else. A frame that is cut off at the
end was never acknowledged and is cut away; one that is broken with whole frames after it is damage, and
no guess is made about it.
"""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from exchange.crypto import Keyring, SealBroken, decrypt, encrypt, new_data_key, seal, unseal
from exchange.model.errors import Conflict, ExchangeError

_MAGIC = b"MXJ1"
_FRAME = b"\xf7MXF"
_HEAD = len(_FRAME) + 4
_SEGMENT_BYTES = 64 << 20
Position = dict[str, int]


class JournalBroken(ExchangeError):
    """Acknowledged messages can no longer be read: restore the spool folder from its backup."""


@dataclass(frozen=True, slots=True)
class _Frame:
    payloads: tuple[bytes, ...]
    end: int


def read_journal(
    folder: Path, keyring: Keyring, position: Mapping[str, int] | None = None
) -> Iterator[tuple[Position, bytes]]:
    """Messages after `position`, each with its own, up to where the journal ended when this was called.

    Raises JournalBroken or SealBroken.
    """
    at = position or {"segment": 0, "offset": 0, "message": 0}
    segments = [(path, path.stat().st_size) for path in _segments(folder)]
    for path, size in segments:
        number = _number(path)
        if number < at["segment"]:
            continue
        offset, message = (at["offset"], at["message"]) if number == at["segment"] else (0, 0)
        for start, frame in _frames(path, keyring, offset, size):
            if frame is None:
                if path != segments[-1][0] or _is_damage(path, keyring, start, size):
                    raise JournalBroken(f"segment {number} of the journal is damaged at byte {start}")
                break
            for index in range(message, len(frame.payloads)):
                whole = index + 1 == len(frame.payloads)
                yield (
                    _position(number, frame.end if whole else start, 0 if whole else index + 1),
                    (frame.payloads[index]),
                )
            message = 0


def _position(segment: int, offset: int, message: int) -> Position:
    return {"segment": segment, "offset": offset, "message": message}


def release(folder: Path, position: Mapping[str, int], before: datetime) -> int:
    """Removes segments wholly before `position` and last written before `before`; how many."""
    old = [
        path
        for path in _segments(folder)
        if _number(path) < position["segment"] and path.stat().st_mtime < before.timestamp()
    ]
    for path in old:
        path.unlink()
    return len(old)


class JournalWriter:
    """The only writer of a folder; a second one is refused as long as this one is open."""

    def __init__(self, folder: Path, keyring: Keyring, segment_bytes: int = _SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._keyring, self._segment_bytes = folder, keyring, segment_bytes
        self._segment: _Open | None = None
        self._doubtful: tuple[Path, int] | None = None
        self._lock = _lock(folder)
        try:
            _recover(folder, keyring)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the folder go."""
        self._leave_segment()
        os.close(self._lock)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Returns once all are on the disk to stay; raises OSError when they are not: none counts then."""
        segment = self._segment
        if segment is None or segment.end >= self._segment_bytes:
            segment = self._begin_segment()
        frame = _encode(payloads, segment)
        try:
            _write(segment.descriptor, frame)
            os.fdatasync(segment.descriptor)
        except OSError:
            # After a failed sync nobody knows what is on the disk: this segment takes nothing more.
            self._doubtful = (segment.path, segment.end)
            self._leave_segment()
            raise
        segment.end += len(frame)

    def _begin_segment(self) -> _Open:
        self._leave_segment()
        if self._doubtful is not None:
            os.truncate(*self._doubtful)
            self._doubtful = None
        path, key = _next_segment(self._folder), new_data_key()
        envelope = seal(key, self._keyring, path.name.encode())
        head = _MAGIC + len(envelope).to_bytes(2, "big") + envelope
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        segment = _Open(path, descriptor, key, len(head))
        self._segment = segment
        try:
            _write(descriptor, head)
            os.fsync(descriptor)
            _sync_folder(self._folder)
        except OSError:
            self._leave_segment()
            path.unlink(missing_ok=True)
            raise
        return segment

    def _leave_segment(self) -> None:
        if self._segment is not None:
            os.close(self._segment.descriptor)
            self._segment = None


@dataclass(slots=True)
class _Open:
    path: Path
    descriptor: int
    key: bytes
    end: int


def _next_segment(folder: Path) -> Path:
    """Named by the clock, so that a journal begun anew in an emptied folder never looks already read."""
    last = max(map(_number, _segments(folder)), default=0)
    return folder / f"{max(last + 1, int(time.time())):012d}.journal"


def _encode(payloads: Sequence[bytes], segment: _Open) -> bytes:
    batch = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)
    encrypted = encrypt(batch, segment.key, _context(segment.end))
    return _FRAME + len(encrypted).to_bytes(4, "big") + encrypted


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Conflict("another listener writes this journal; stop it first") from None
    return descriptor


def _recover(folder: Path, keyring: Keyring) -> None:
    """Cuts away what a crash left unfinished at the end of the last segment."""
    segments = _segments(folder)
    if not segments:
        return
    path, size = segments[-1], segments[-1].stat().st_size
    if _head_end(path) is None:
        path.unlink()
        return
    for start, frame in _frames(path, keyring, 0, size):
        if frame is None:
            if _is_damage(path, keyring, start, size):
                raise JournalBroken(f"segment {_number(path)} of the journal is damaged at byte {start}")
            os.truncate(path, start)


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def _number(path: Path) -> int:
    return int(path.stem)


def _head_end(path: Path) -> int | None:
    """Where the frames begin; None when the segment was cut off before it had any."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + 2)
        end = len(_MAGIC) + 2 + int.from_bytes(head[len(_MAGIC) :], "big")
        file.seek(0, os.SEEK_END)
        if len(head) < len(_MAGIC) + 2 or file.tell() < end:
            return None
        if head[: len(_MAGIC)] != _MAGIC:
            raise JournalBroken(f"segment {_number(path)} of the journal does not begin like one")
        return end


def _key(path: Path, keyring: Keyring, end: int) -> bytes:
    with path.open("rb") as file:
        head = file.read(end)
    return unseal(head[len(_MAGIC) + 2 :], keyring, path.name.encode())


def _frames(path: Path, keyring: Keyring, offset: int, size: int) -> Iterator[tuple[int, _Frame | None]]:
    """Each frame with its place; (place, None) once, when what follows is not a whole frame."""
    end = _head_end(path)
    if end is None:
        yield 0, None
        return
    key, start = _key(path, keyring, end), max(offset, end)
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            frame = _frame(file.read(_HEAD), file.read, key, start)
            if frame is None or frame.end > size:
                yield start, None
                return
            yield start, frame
            start = frame.end


def _frame(head: bytes, read: Callable[[int], bytes], key: bytes, start: int) -> _Frame | None:
    if len(head) < _HEAD or head[: len(_FRAME)] != _FRAME:
        return None
    length = int.from_bytes(head[len(_FRAME) :], "big")
    try:
        batch = decrypt(read(length), key, _context(start))
    except SealBroken:
        return None
    payloads, at = [], 0
    while at < len(batch):
        end = at + 4 + int.from_bytes(batch[at : at + 4], "big")
        payloads.append(batch[at + 4 : end])
        at = end
    return _Frame(tuple(payloads), start + _HEAD + length)


def _is_damage(path: Path, keyring: Keyring, start: int, size: int) -> bool:
    """Whether a whole frame follows the broken one: then that one had been acknowledged, too."""
    end = _head_end(path)
    if end is None:
        return False
    key, data = _key(path, keyring, end), path.read_bytes()[:size]
    at = data.find(_FRAME, start + 1)
    while at >= 0:
        rest = io.BytesIO(data[at:])
        if _frame(rest.read(_HEAD), rest.read, key, at):
            return True
        at = data.find(_FRAME, at + 1)
    return False


def _context(offset: int) -> bytes:
    return b"journal %d" % offset
