"""The pull side of MLLP: what the partner's listener has acknowledged, from its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from exchange.connectors.journal import read_journal
from exchange.crypto import Keyring
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

_CHECKPOINT_MESSAGES = 500


def spool_folder(spool: Path, partner: str) -> Path:
    """Where the partner's listener keeps its journal."""
    return spool / "mllp" / partner


def connect_journal(
    partner: Partner, spool: Path, keyring: Keyring
) -> Callable[[Mapping[str, Any] | None], Iterator[Document | Checkpoint]]:
    """The connector; raises ContentError unless the partner has exactly one feed."""
    if len(partner.feeds) != 1:
        raise ContentError(
            "a partner that sends over MLLP has one feed; its map tells message types apart",
            file=f"mappings/{partner.code}/partner.yaml",
            field="feeds",
        )
    feed, folder = next(iter(partner.feeds)), spool_folder(spool, partner.code)
    return lambda cursor: _pull(feed, folder, keyring, cursor)


def _pull(
    feed: str, folder: Path, keyring: Keyring, cursor: Mapping[str, Any] | None
) -> Iterator[Document | Checkpoint]:
    number, position = 0, dict(cursor or {})
    for number, (position, payload) in enumerate(read_journal(folder, keyring, cursor or None), start=1):
        yield Document(feed, "{segment}:{offset}:{message}".format(**position), payload)
        if number % _CHECKPOINT_MESSAGES == 0:
            yield Checkpoint(position)
    if number % _CHECKPOINT_MESSAGES:
        yield Checkpoint(position)
