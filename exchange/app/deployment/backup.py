"""Backup and restore of a deployment: database, landing store and the anchor of the audit log.

The database is read in one snapshot and before the landing store, which only grows, so that every payload a
record points to is there. Keys are not part of a backup: it names them by their fingerprints.
"""

from __future__ import annotations

import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import orjson
import psycopg
from fsspec.core import url_to_fs

from exchange.app.opening import database_url
from exchange.app.secrets import load_keyring, load_signing_key
from exchange.audit import Finding, verify
from exchange.crypto import (
    Keyring,
    SealBroken,
    decrypt_stream,
    encrypt_stream,
    new_data_key,
    public_key,
    seal,
    unseal,
)
from exchange.model.errors import ContentError
from exchange.repository import create_reader_role, dumped, require_empty, restore_dump
from exchange.settings import Settings

_CONTEXT = b"backup"
_DUMP, _LANDING, _ANCHOR, _MANIFEST = "database.sealed", "landing", "anchor.jsonl", "manifest.json"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: end of the audit chain, payload files, and the keys that are needed to read it."""

    taken: str
    version: str
    audit_sequence: int
    audit_hash: str
    landing_files: int
    dump_sha256: str
    sealed_key: str
    keyring: dict[str, str]
    signing_key: str


def take_backup(settings: Settings, folder: Path, at: datetime) -> Backup:
    """Writes a backup into a new folder; the manifest comes last, so that one without it is none."""
    if folder.exists() and any(folder.iterdir()):
        raise ContentError("the folder is not empty", field=folder.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keyring = load_keyring(settings.keyring)
    key = new_data_key()
    url = database_url(settings)
    sequence, digest = _head(url)  # before the dump: the record of that number is in it for sure
    with dumped(url) as dump, (folder / _DUMP).open("wb") as file:
        for piece in encrypt_stream(dump, key, _CONTEXT):
            file.write(piece)
    files = _copy_out(settings.landing, folder / _LANDING)
    anchor = settings.data / "audit" / _ANCHOR
    if anchor.exists():
        shutil.copy2(anchor, folder / _ANCHOR)
    made = Backup(
        taken=at.isoformat(),
        version=version("mosaic-exchange"),
        audit_sequence=sequence,
        audit_hash=digest,
        landing_files=files,
        dump_sha256=_sha256(folder / _DUMP),
        sealed_key=b64encode(seal(key, keyring, _CONTEXT)).decode(),
        keyring=_fingerprints(keyring),
        signing_key=_fingerprint(public_key(load_signing_key(settings.signing_key)).encode()),
    )
    (folder / _MANIFEST).write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2))
    return made


def restore_backup(settings: Settings, folder: Path) -> tuple[Backup, list[Finding]]:
    """Fills an empty deployment from a backup and proves the audit log; the findings should be none.

    Raises ContentError when the backup is not whole, its keys are not here, or something is there already.
    """
    made = read_backup(folder)
    key = _key(settings, made)
    if _sha256(folder / _DUMP) != made.dump_sha256:
        raise ContentError("the dump is not the one of the manifest", file=_DUMP)
    files, root = url_to_fs(settings.landing)
    if files.exists(root) and files.find(root):
        raise ContentError("the landing store is not empty", field="EXCHANGE_LANDING or EXCHANGE_DATA")
    url = database_url(settings)
    require_empty(url)
    create_reader_role(url)
    with (folder / _DUMP).open("rb") as dump:
        restore_dump(url, _pieces(dump, key))
    if (folder / _LANDING).exists():
        files.makedirs(root, exist_ok=True)
        files.put(f"{folder / _LANDING}/", f"{root}/", recursive=True)
    anchor = settings.data / "audit" / _ANCHOR
    if (folder / _ANCHOR).exists():
        anchor.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / _ANCHOR, anchor)
    return made, _proven(settings, url, made, anchor)


def read_backup(folder: Path) -> Backup:
    """The manifest; raises ContentError when there is none."""
    try:
        data: dict[str, Any] = orjson.loads((folder / _MANIFEST).read_bytes())
        return Backup(**data)
    except (OSError, orjson.JSONDecodeError, TypeError):
        raise ContentError("is not a backup that is whole", file=_MANIFEST) from None


def _pieces(dump: IO[bytes], key: bytes) -> Iterator[bytes]:
    try:
        yield from decrypt_stream(dump, key, _CONTEXT)
    except SealBroken:
        raise ContentError("the dump was altered", file=_DUMP) from None


def _key(settings: Settings, made: Backup) -> bytes:
    """The dump's key, once the keys of this place are found to be those of the backup."""
    for path in (settings.keyring, settings.signing_key):
        if not path.exists():
            raise ContentError("put the keys of the backup here first", file=path.name)
    keyring = load_keyring(settings.keyring)
    missing = made.keyring.items() - _fingerprints(keyring).items()
    signing = _fingerprint(public_key(load_signing_key(settings.signing_key)).encode())
    if missing or signing != made.signing_key:
        names = sorted(name for name, _ in missing) or ["the signing key"]
        raise ContentError(f"these are not the keys of the backup: {', '.join(names)}", field="keys")
    return unseal(b64decode(made.sealed_key), keyring, _CONTEXT)


def _proven(settings: Settings, url: str, made: Backup, anchor: Path) -> list[Finding]:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM export_job")  # their files are no part of a backup
        connection.commit()
        findings = verify(connection, public_key(load_signing_key(settings.signing_key)), anchor)
        row = connection.execute(
            "SELECT encode(hash, 'hex') FROM audit_event WHERE sequence = %s", (made.audit_sequence,)
        ).fetchone()
    if made.audit_sequence and (row is None or row[0] != made.audit_hash):
        raise ContentError("the audit log does not reach the end the backup names", field="audit_event")
    return findings


def _head(url: str) -> tuple[int, str]:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT sequence, encode(hash, 'hex') FROM audit_head").fetchone()
    return (row[0], row[1]) if row else (0, "")


def _copy_out(landing: str, target: Path) -> int:
    files, root = url_to_fs(landing)
    if not files.exists(root):
        return 0
    found = files.find(root)
    for path in found:
        place = target / str(path)[len(root) :].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.get_file(path, str(place))
        except FileNotFoundError:
            continue  # its retention ended meanwhile
    return len(found)


def _fingerprints(keyring: Keyring) -> dict[str, str]:
    return {name: _fingerprint(key) for name, key in keyring.keys.items()}


def _fingerprint(key: bytes) -> str:
    return sha256(b"fingerprint of a backup\0" + key).hexdigest()[:32]


def _sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
