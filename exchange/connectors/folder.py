"""A folder on this machine or any fsspec store (`s3://…`), as a partner's outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from exchange.connectors.files import FileEntry, pull_files
from exchange.connectors.options import FolderOptions
from exchange.model.errors import PartnerRefused, PartnerUnavailable
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

# What fsspec reports below warnings are paths, and a partner's file name may hold a patient's name.
logging.getLogger("fsspec").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class FolderStore:
    """`root` is a path within `files`."""

    files: AbstractFileSystem
    root: str

    def matching(self, pattern: str) -> list[FileEntry]:
        """Regular files whose path below the root matches the glob."""
        self.files.invalidate_cache()
        found = self.files.glob(f"{self.root}/{pattern}", detail=True)
        return [self._entry(path, facts) for path, facts in found.items() if facts["type"] == "file"]

    def read(self, path: str) -> bytes:
        """The whole file; raises FileNotFoundError."""
        content: bytes = self.files.cat_file(f"{self.root}/{path}")
        return content

    def look(self, path: str) -> FileEntry | None:
        """The file as it is now."""
        self.files.invalidate_cache()
        try:
            facts = self.files.info(f"{self.root}/{path}")
        except FileNotFoundError:
            return None
        return self._entry(facts["name"], facts)

    def _entry(self, path: str, facts: Mapping[str, Any]) -> FileEntry:
        changed = facts.get("mtime")
        moment = changed if changed is not None else self.files.modified(path).timestamp()
        return FileEntry(path.removeprefix(f"{self.root}/"), int(facts["size"]), int(moment))


def connect_folder(
    partner: Partner, options: FolderOptions
) -> Callable[[Mapping[str, Any] | None], Iterator[Document | Checkpoint]]:
    """The connector; feeds' `match` are globs below `path`."""
    return lambda cursor: _pull(partner, options, cursor or {})


def _pull(
    partner: Partner, options: FolderOptions, cursor: Mapping[str, Any]
) -> Iterator[Document | Checkpoint]:
    files, root = url_to_fs(options.path)
    try:
        if not files.isdir(root):
            raise PartnerRefused(f"{partner.code}: the folder named by `path` does not exist")
        yield from pull_files(partner, FolderStore(files, root.rstrip("/")), options, cursor)
    except PermissionError:
        raise PartnerRefused(f"{partner.code}: the folder may not be read") from None
    except OSError:
        raise PartnerUnavailable(f"{partner.code}: the folder could not be read") from None
