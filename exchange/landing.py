"""The landing store: raw payloads as partners sent them, sealed, in packs that are written once.

``<root>/<partner>/<day>-<sha256 of the pack>.pack`` holds many records, each encrypted on its own under
the pack's data key and bound to its offset; ``….key`` beside it holds that data key in an envelope of the
keyring. Rotation rewrites the small files, expiry takes the key away first.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from exchange.crypto import (
    Keyring,
    SealBroken,
    decrypt,
    encrypt,
    new_data_key,
    rewrap,
    seal,
    sealed_under,
    unseal,
)
from exchange.model.errors import ContentError, RecordRejected

_MAGIC = b"MXP1"
_LENGTH = 4
_ADDRESS = re.compile(r"([a-z0-9_]+)/(\d{8}-[0-9a-f]{64}):(\d+):(\d+)")
_PARTNER = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class _Place:
    partner: str
    pack: str
    offset: int
    length: int

    @property
    def path(self) -> str:
        return f"{self.partner}/{self.pack}"


class Landing:
    """Packs of sealed payloads under an fsspec URL (a local folder, `s3://…`)."""

    def __init__(
        self, root: str, keyring: Keyring, today: Callable[[], date] = lambda: datetime.now(UTC).date()
    ) -> None:
        self._files, self._root = url_to_fs(root)
        self._keyring, self._today = keyring, today
        self._pack_keys: dict[str, bytes] = {}

    def put(self, partner: str, payloads: Sequence[bytes]) -> list[str]:
        """One address per payload, once all of them are on the disk to stay."""
        if not payloads:
            return []
        if not _PARTNER.fullmatch(partner):
            raise ContentError("a partner's code has lower-case letters, digits and _", field="code")
        key = new_data_key()
        pack, places = _pack(payloads, key)
        name = f"{self._today():%Y%m%d}-{sha256(pack).hexdigest()}"
        # The key first: a pack without its key would be lost, a key without its pack is harmless.
        self._write(f"{partner}/{name}.key", seal(key, self._keyring, f"{partner}/{name}".encode()))
        self._write(f"{partner}/{name}.pack", pack)
        return [f"{partner}/{name}:{offset}:{length}" for offset, length in places]

    def get(self, address: str) -> bytes:
        """The payload; raises RecordRejected when it is kept no longer, SealBroken when it was altered."""
        return self.get_many([address])[0]

    def get_many(self, addresses: Sequence[str]) -> list[bytes]:
        """Payloads in the order asked, with one ranged read per pack."""
        places = [_parse(address) for address in addresses]
        by_pack: dict[str, list[int]] = defaultdict(list)
        for index, place in enumerate(places):
            by_pack[place.path].append(index)
        found: dict[int, bytes] = {}
        for path, indexes in by_pack.items():
            found.update(self._read_pack(path, {index: places[index] for index in indexes}))
        return [found[index] for index in range(len(places))]

    def kept(self, partner: str) -> Callable[[str], bool]:
        """Whether the payload at an address of the partner's is still kept, as of now."""
        packs = set(self._names(partner, ".pack"))
        return lambda address: _parse(address).pack in packs

    def expire(self, partner: str, before: date) -> int:
        """Removes packs landed on days before `before` for good; how many there were."""
        expired = [name for name in self._names(partner, ".pack", ".key") if name[:8] < f"{before:%Y%m%d}"]
        for name in expired:
            self._pack_keys.pop(f"{partner}/{name}", None)
            for ending in ("key", "pack"):
                with suppress(FileNotFoundError):
                    self._files.rm_file(self._path(f"{partner}/{name}.{ending}"))
        return len(expired)

    def verify(self, partner: str) -> list[str]:
        """Names of packs that cannot be read whole; an empty list is good news."""
        packs = self._names(partner, ".pack")
        return [name for name in packs if not self._is_whole(f"{partner}/{name}", name)]

    def rewrap(self, partner: str) -> int:
        """Puts the packs' keys under the keyring's active key; how many were not there yet."""
        changed = 0
        for name in self._names(partner, ".key"):
            path = f"{partner}/{name}.key"
            envelope = self._files.cat_file(self._path(path))
            if sealed_under(envelope) != self._keyring.active:
                self._write(path, rewrap(envelope, self._keyring))
                changed += 1
        return changed

    def _read_pack(self, path: str, wanted: dict[int, _Place]) -> dict[int, bytes]:
        start = min(place.offset for place in wanted.values())
        end = max(place.offset + place.length for place in wanted.values())
        try:
            key = self._key(path)
            data = self._files.cat_file(self._path(f"{path}.pack"), start=start, end=end)
        except FileNotFoundError:
            raise RecordRejected(
                "the raw payload is kept no longer than the partner's retention; ask for it again",
                code="not-found",
                position=path,
            ) from None
        return {
            index: decrypt(data[p.offset - start : p.offset - start + p.length], key, _context(p.offset))
            for index, p in wanted.items()
        }

    def _key(self, path: str) -> bytes:
        if path not in self._pack_keys:
            envelope = self._files.cat_file(self._path(f"{path}.key"))
            if len(self._pack_keys) >= 256:
                self._pack_keys.clear()
            self._pack_keys[path] = unseal(envelope, self._keyring, path.encode())
        return self._pack_keys[path]

    def _is_whole(self, path: str, name: str) -> bool:
        try:
            pack = self._files.cat_file(self._path(f"{path}.pack"))
            key = unseal(self._files.cat_file(self._path(f"{path}.key")), self._keyring, path.encode())
            for offset, encrypted in _unpack(pack):
                decrypt(encrypted, key, _context(offset))
        except (SealBroken, FileNotFoundError):
            return False
        return sha256(pack).hexdigest() == name[9:]

    def _names(self, partner: str, *endings: str) -> list[str]:
        folder = self._path(partner)
        if not self._files.exists(folder):
            return []
        self._files.invalidate_cache(folder)
        files = (str(path).rsplit("/", 1)[-1] for path in self._files.ls(folder, detail=False))
        return sorted({file.rsplit(".", 1)[0] for file in files if file.endswith(endings)})

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _write(self, path: str, data: bytes) -> None:
        target = self._path(path)
        if isinstance(self._files, LocalFileSystem):
            _write_durably(target, data)
        else:
            # Object stores show an object only once it is whole.
            self._files.makedirs(self._files._parent(target), exist_ok=True)
            self._files.pipe_file(target, data)


def _pack(payloads: Sequence[bytes], key: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    pack, places = bytearray(_MAGIC), []
    for payload in payloads:
        offset = len(pack) + _LENGTH
        encrypted = encrypt(payload, key, _context(offset))
        pack += len(encrypted).to_bytes(_LENGTH, "big") + encrypted
        places.append((offset, len(encrypted)))
    return bytes(pack), places


def _unpack(pack: bytes) -> Iterator[tuple[int, bytes]]:
    if pack[: len(_MAGIC)] != _MAGIC:
        raise SealBroken("not a pack of the landing store")
    offset = len(_MAGIC)
    while offset < len(pack):
        start = offset + _LENGTH
        offset = start + int.from_bytes(pack[offset:start], "big")
        yield start, pack[start:offset]


def _context(offset: int) -> bytes:
    return b"landing %d" % offset


def _parse(address: str) -> _Place:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise SealBroken("not an address of the landing store: <partner>/<pack>:<offset>:<length>")
    partner, pack, offset, length = match.groups()
    return _Place(partner, pack, int(offset), int(length))


def _write_durably(target: str, data: bytes) -> None:
    folder = os.path.dirname(target)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    part = f"{target}.{uuid4().hex}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
