"""Two privacy officers whose keys the exchange knows."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import psycopg

from exchange.app import Exchange
from exchange.app.privacy.activation import append
from exchange.consent.activation import Act
from exchange.crypto import new_signing_key, public_key, sign


def add_officers(opened: Exchange) -> dict[str, str]:
    """Their private keys by name."""
    keys = {name: new_signing_key() for name in ("anna", "bohdan")}
    with psycopg.connect(opened.database_url) as connection:
        for name, key in keys.items():
            act = Act("officer-added", name, public_key(key), name, datetime.now(UTC))
            append(connection, opened.signing_key, act, partial(sign, private_pem=key))
        connection.commit()
    return keys
