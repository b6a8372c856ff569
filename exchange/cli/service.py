"""The API's service, put together from the open exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256

import psycopg
from psycopg_pool import ConnectionPool

from exchange.api import Service
from exchange.api.export.files import Exports
from exchange.api.standby import Standby, read_only
from exchange.app import Exchange
from exchange.app.secrets import load_keyring
from exchange.delivery.notices import TRAVELLING
from exchange.repository import Identity, url_with

_CONNECTIONS = 10


@contextmanager
def api_service(opened: Exchange, base_url: str | None = None) -> Iterator[Service]:
    """The service while the block runs; it reaches the database as the reader role only."""
    url = opened.settings.api_database_url or url_with(opened.database_url, user="exchange_api")
    pool: ConnectionPool[psycopg.Connection]
    standby_url = opened.settings.standby_url
    # Each connection is looked at before it is lent, so that a server that was restarted costs no request.
    check = ConnectionPool.check_connection
    with (
        ConnectionPool(url, min_size=1, max_size=_CONNECTIONS, open=True, check=check) as pool,
        standby_at(standby_url) if standby_url else nullcontext() as standby,
    ):
        obligations = opened.context.rules.vocabulary.file.obligations
        yield Service(
            pool=pool,
            base_url=base_url or opened.settings.base_url,
            participants=opened.partners,
            signing_key=opened.signing_key,
            identity=Identity(opened.work.model, opened.work.features),
            notices={code: words for code, words in obligations.items() if code in TRAVELLING},
            origins=opened.settings.origins,
            exports=Exports(opened.settings.exports, load_keyring(opened.settings.keyring)),
            cursor_key=sha256(b"search cursors\0" + opened.signing_key.encode()).digest(),
            standby=standby,
        )


@contextmanager
def standby_at(url: str) -> Iterator[Standby]:
    """The standby while the block runs; it need not be there, now or later.

    A machine that does not even say no is taken for gone after two seconds.
    """
    bounds = {"connect_timeout": 2, "tcp_user_timeout": 2_000}
    pool: ConnectionPool[psycopg.Connection]
    with ConnectionPool(
        url, kwargs=bounds, min_size=1, max_size=_CONNECTIONS, open=True, configure=read_only
    ) as pool:
        yield Standby(pool)
