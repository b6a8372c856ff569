"""Files in a folder of the partner's, wherever it is: what is new, what is finished, what comes first.

The cursor holds, per feed, path → [size, time of change] of every file that was sent and is still there,
followed by the same of the files that it joins.
A file counts as finished when two looks some time apart, and a third after reading it, show the same.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Protocol

from exchange.connectors.options import FileOptions
from exchange.model.errors import PartnerRefused
from exchange.model.partner import Feed, Partner
from exchange.model.records import Checkpoint, Document

Pulled = Iterator[Document | Checkpoint]
Seen = dict[str, list[int]]

_UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".lock")
_CHECKPOINT_FILES = 100
_CHECKPOINT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a listing says of a file; `modified` in whole seconds of the partner's clock.

    `beside` are the files that its feed joins: it is finished, and new, when all of them are.
    """

    path: str
    size: int
    modified: int
    beside: tuple[FileEntry, ...] = ()


class Store(Protocol):
    """A partner's folder; paths are relative to it."""

    def matching(self, pattern: str) -> list[FileEntry]:
        """Regular files whose path matches the glob."""

    def read(self, path: str) -> bytes:
        """The whole file; raises FileNotFoundError when it has gone."""

    def look(self, path: str) -> FileEntry | None:
        """The file as it is now."""


def pull_files(partner: Partner, store: Store, options: FileOptions, cursor: Mapping[str, Any]) -> Pulled:
    """Documents of finished files not sent yet, oldest first, feed by feed as declared."""
    listed, finished = _two_looks(partner, store, options, cursor)
    sent = {
        feed: {path: seen for path, seen in _seen(cursor, feed).items() if path in listed[feed]}
        for feed in partner.feeds
    }
    read, held = 0, 0
    for feed, declared in partner.feeds.items():
        for entry in _to_read(declared, finished[feed], sent[feed]):
            document = _document(partner.code, feed, entry, store, options)
            if document is None:
                continue
            yield document
            sent[feed] |= _settled(declared, finished[feed], entry)
            read, held = read + 1, held + entry.size
            if read % _CHECKPOINT_FILES == 0 or held >= _CHECKPOINT_BYTES:
                held = 0
                yield Checkpoint({"files": {name: dict(seen) for name, seen in sent.items()}})
    yield Checkpoint({"files": sent})


def _seen(cursor: Mapping[str, Any], feed: str) -> Seen:
    seen: Seen = cursor.get("files", {}).get(feed, {})
    return seen


def _two_looks(
    partner: Partner, store: Store, options: FileOptions, cursor: Mapping[str, Any]
) -> tuple[dict[str, set[str]], dict[str, list[FileEntry]]]:
    """Per feed all paths there are, and the files that did not change between two looks."""
    first = {feed: _listing(store, declared) for feed, declared in partner.feeds.items()}
    if any(not _is_sent(entry, _seen(cursor, feed)) for feed, listing in first.items() for entry in listing):
        time.sleep(options.settle_seconds)
        second = {feed: _listing(store, declared) for feed, declared in partner.feeds.items()}
    else:
        second = first
    finished = {feed: sorted(first[feed] & second[feed], key=_age) for feed in partner.feeds}
    return {feed: {entry.path for entry in listing} for feed, listing in second.items()}, finished


def _listing(store: Store, feed: Feed) -> set[FileEntry]:
    found = (entry for entry in store.matching(feed.match) if not is_temporary(entry.path))
    return {_with_beside(entry, store, feed) for entry in found}


def _with_beside(entry: FileEntry, store: Store, feed: Feed) -> FileEntry:
    folder = PurePosixPath(entry.path).parent
    names = dict.fromkeys(str(folder / join.file) for join in feed.joins())
    looked = (store.look(name) for name in names)
    return replace(entry, beside=tuple(found for found in looked if found is not None))


def is_temporary(path: str) -> bool:
    """A file that is still being written, or that its system hides."""
    name = PurePosixPath(path).name
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)


def _age(entry: FileEntry) -> tuple[int, str]:
    return entry.modified, entry.path


def _is_sent(entry: FileEntry, seen: Seen) -> bool:
    return seen.get(entry.path) == _mark(entry)


def _mark(entry: FileEntry) -> list[int]:
    return [number for item in (entry, *entry.beside) for number in (item.size, item.modified)]


def _to_read(feed: Feed, finished: Sequence[FileEntry], sent: Seen) -> list[FileEntry]:
    """A snapshot says all there is, so only the newest counts; of other feeds every file does."""
    candidates = finished[-1:] if feed.snapshot else finished
    return [entry for entry in candidates if not _is_sent(entry, sent)]


def _settled(feed: Feed, finished: Sequence[FileEntry], entry: FileEntry) -> Seen:
    """What need not be looked at again: the file read, and the older ones a snapshot replaces."""
    done = finished if feed.snapshot else [entry]
    return {item.path: _mark(item) for item in done}


def _document(
    partner: str, feed: str, entry: FileEntry, store: Store, options: FileOptions
) -> Document | None:
    """None when the file has changed or gone while it was read: it is left for the next pull."""
    limit = options.largest_file_mb << 20
    if any(item.size > limit for item in (entry, *entry.beside)):
        raise PartnerRefused(
            f"{partner}: a file of feed `{feed}` is larger than {options.largest_file_mb} MB;"
            " have it split or raise `largest_file_mb`"
        )
    payload = _read(entry, store, limit)
    beside = {PurePosixPath(item.path).name: _read(item, store, limit) for item in entry.beside}
    if payload is None or None in beside.values():
        return None
    modified = datetime.fromtimestamp(entry.modified, UTC)
    whole = {name: content for name, content in beside.items() if content is not None}
    return Document(feed, entry.path, payload, modified=modified, beside=whole)


def _read(entry: FileEntry, store: Store, limit: int) -> bytes | None:
    try:
        payload = store.read(entry.path)
    except FileNotFoundError:
        return None
    if len(payload) != entry.size or store.look(entry.path) != replace(entry, beside=()):
        return None
    return unpacked(entry.path, payload, limit)


def unpacked(path: str, payload: bytes, limit: int) -> bytes:
    """The content of a compressed file; a damaged one stays as it is, to be quarantined whole."""
    opener = _OPENERS.get(PurePosixPath(path).suffix.lower())
    if opener is None:
        return payload
    try:
        with opener(io.BytesIO(payload)) as file:
            content = file.read(limit + 1)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return payload
    return content if len(content) <= limit else payload


_OPENERS: Mapping[str, Callable[[io.BytesIO], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
