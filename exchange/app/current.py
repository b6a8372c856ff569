"""The exchange by the content that lies there now, for processes that outlive a change of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from time import monotonic

from exchange.app.opening import Exchange, open_exchange
from exchange.model.errors import ExchangeError
from exchange.pipeline.ledger import Connection

Connect = Callable[[], AbstractContextManager[Connection]]

_log = logging.getLogger("exchange.app")
_SECONDS = 1.0  # between two looks at a few hundred files, which take 5 ms


class Current:
    """Called, the exchange by mappings/, consent/ and the acts of officers as they are, at most a second old.

    `wrong` says why the content of now cannot be used; until it can, the exchange stays the one before.
    `connect` is how each of them reaches the database, if not by a connection of its own every time.
    """

    def __init__(self, opened: Exchange, connect: Connect | None = None) -> None:
        self.wrong: ExchangeError | None = None
        self._connect, self._lock = connect, Lock()
        self._exchange = self._lent(opened)
        self._seen, self._looked = _stamp(self._exchange), monotonic()

    def __call__(self) -> Exchange:
        with self._lock:
            if monotonic() - self._looked >= _SECONDS:
                self._look()
            return self._exchange

    def look(self) -> None:
        """Looks now: somebody says he changed it, or did so on a page."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        seen = _stamp(self._exchange)
        self._looked = monotonic()
        if seen == self._seen:
            return
        try:
            self._exchange = self._lent(open_exchange(self._exchange.settings, self._exchange.work.now))
            self.wrong = None
        except ExchangeError as error:
            self.wrong = error
            _log.warning("the content that lies there cannot be used: %s", error)
        self._seen = seen  # not so when the database did not answer: the next look tries again

    def _lent(self, opened: Exchange) -> Exchange:
        return replace(opened, work=replace(opened.work, connect=self._connect or opened.work.connect))


def _stamp(exchange: Exchange) -> tuple[object, ...]:
    """Changes when a file of the content, or what officers put into force, does."""
    files = sorted(
        _file(os.path.join(folder, name))
        for top in ("mappings", "consent")
        for folder, _, names in os.walk(exchange.settings.home / top)
        for name in names
    )
    with exchange.work.connect() as connection:
        acts = connection.execute("SELECT max(number) FROM officer_act").fetchone()
    return (*files, acts)


def _file(path: str) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:  # a link to nowhere, or gone since the folder was listed
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size
