"""Registered software of the participants: who may ask for tokens, with which keys and for what."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from exchange.api.scopes import parse_scopes
from exchange.connectors.jwks import check_jwks_url
from exchange.crypto import can_verify
from exchange.model.errors import ContentError
from exchange.model.partner import Partner

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{2,127}")
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
_RSA_BYTES = 256
_MOST_KEYS = 50
_LONGEST_KID = 200
_COLUMNS = "client_id, participant, jwks, scopes, roles, purposes, disabled, disabled_by, jwks_url"

Switch = Literal["exchange", "participant"]
"""Whose people switch a client off or let it in again."""


@dataclass(frozen=True, slots=True)
class Client:
    """One registration; `jwks` is a JSON Web Key Set of public keys, `disabled` when it was switched off,
    `disabled_by` whose people did.

    With `jwks_url` the keys are those that lie there, and `jwks` has none.
    """

    client_id: str
    participant: str
    jwks: Mapping[str, Any]
    scopes: list[str]
    roles: list[str]
    purposes: list[str]
    disabled: datetime | None = None
    disabled_by: Switch | None = None
    jwks_url: str | None = None


def register_client(conn: psycopg.Connection, client: Client, partner: Partner, at: datetime) -> None:
    """Adds a client, or replaces the registration of one of the same participant; the caller commits.

    One that is switched off stays so.
    Raises ContentError naming the field when the participant itself may not ask so, or a key is unfit.
    """
    _check(client, partner)
    written = conn.execute(
        "INSERT INTO client (client_id, participant, jwks, scopes, roles, purposes, registered, jwks_url)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (client_id) DO UPDATE SET jwks = excluded.jwks,"
        " jwks_url = excluded.jwks_url, scopes = excluded.scopes, roles = excluded.roles,"
        " purposes = excluded.purposes"
        " WHERE client.participant = excluded.participant",
        (
            client.client_id,
            client.participant,
            Jsonb(_kept(client.jwks)),
            client.scopes,
            client.roles,
            client.purposes,
            at,
            client.jwks_url,
        ),
    )
    if written.rowcount == 0:
        raise ContentError("belongs to another participant already", field="client_id")


def disable_client(conn: psycopg.Connection, client_id: str, by: Switch, at: datetime) -> bool:
    """From the commit on its tokens are refused; False when there is no such client.

    What the exchange switched off stays its own; what a participant did, the exchange may take over.
    """
    done = conn.execute(
        "UPDATE client SET disabled = %(at)s, disabled_by = %(by)s WHERE client_id = %(client)s"
        " AND (disabled IS NULL OR %(by)s = 'exchange')",
        {"at": at, "by": by, "client": client_id},
    )
    return done.rowcount == 1


def let_in_again(conn: psycopg.Connection, client_id: str, by: Switch, at: datetime) -> bool:
    """From the commit on it may ask for tokens; those of before stay refused.

    False when it is not switched off, or a participant asks for what the exchange switched off.
    """
    done = conn.execute(
        "UPDATE client SET disabled = NULL, disabled_by = NULL, let_in = %(at)s"
        " WHERE client_id = %(client)s AND disabled IS NOT NULL AND %(by)s IN ('exchange', disabled_by)",
        {"at": at, "by": by, "client": client_id},
    )
    return done.rowcount == 1


def list_clients(conn: psycopg.Connection) -> list[Client]:
    """Every registration, disabled ones too."""
    with conn.cursor(row_factory=class_row(Client)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM client ORDER BY client_id").fetchall()


def find_client(conn: psycopg.Connection, client_id: str) -> Client | None:
    """The registration in force; None for an unknown or a disabled client."""
    with conn.cursor(row_factory=class_row(Client)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM client WHERE client_id = %s AND disabled IS NULL", (client_id,)
        ).fetchone()


def _check(client: Client, partner: Partner) -> None:
    if not _CLIENT_ID.fullmatch(client.client_id):
        raise ContentError("must be 3 to 128 characters of A-Z a-z 0-9 . _ : / -", field="client_id")
    if client.participant != partner.code:
        raise ContentError("is not the participant whose partner.yaml was given", field="participant")
    _check_within("roles", client.roles, partner.requests.roles)
    _check_within("purposes", client.purposes, partner.requests.purposes)
    unfit = [scope for scope in client.scopes if len(parse_scopes(scope)) != 1]
    if unfit or not client.scopes:
        raise ContentError("must be SMART system scopes such as system/*.rs", field="scopes")
    if client.jwks_url is not None:
        check_jwks_url(client.jwks_url)
        if client.jwks.get("keys"):
            raise ContentError("give keys or an address of keys, not both", field="jwks_url")
        return
    keys = client.jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise ContentError('must be a JSON Web Key Set {"keys": [...]} with a key', field="jwks")
    for key in keys:
        _check_key(key)
    if len({key["kid"] for key in keys}) != len(keys):
        raise ContentError("two keys have the same `kid`", field="jwks")


def fit_keys(jwks: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The keys of a set that may sign; others, and those of a `kid` that comes twice, are passed over."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for key in jwks.get("keys", ())[:_MOST_KEYS]:
        try:
            _check_key(key)
        except ContentError:
            continue
        found.setdefault(key["kid"], []).append(key)
    return [keys[0] for keys in found.values() if len(keys) == 1]


def _check_within(field: str, asked: list[str], allowed: tuple[str, ...]) -> None:
    if not asked or not set(asked) <= set(allowed):
        raise ContentError("must be among those of the participant's `requests`", field=field, valid=allowed)


_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "alg", "use", "kid")


def _kept(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of each key; what else came with it is nobody's to keep (RFC 7517, section 4)."""
    keys = [{name: key[name] for name in _MEMBERS if name in key} for key in jwks.get("keys", ())]
    return {"keys": keys} if keys else {}


def _check_key(key: object) -> None:
    """RSA of 2,048 bits or more for RS384, P-384 for ES384, public, named and to sign with."""
    if not isinstance(key, Mapping):
        raise ContentError("each key is a JSON Web Key", field="jwks")
    if _PRIVATE & key.keys():
        raise ContentError("holds a private key; register the public part and replace that key", field="jwks")
    kid = key.get("kid")
    if not isinstance(kid, str) or not kid.isprintable() or not 1 <= len(kid) <= _LONGEST_KID:
        raise ContentError("each key needs a `kid` of 1 to 200 letters that are seen", field="jwks")
    elliptic = key.get("kty") == "EC" and key.get("crv") == "P-384" and {"x", "y"} <= key.keys()
    rsa = key.get("kty") == "RSA" and "e" in key and _length(key.get("n")) >= _RSA_BYTES
    if not (elliptic and key.get("alg", "ES384") == "ES384") and not (
        rsa and key.get("alg", "RS384") == "RS384"
    ):
        raise ContentError("keys must be RSA of 2048 bits or more (RS384) or EC P-384 (ES384)", field="jwks")
    if key.get("use", "sig") != "sig" or not can_verify(key, "ES384" if elliptic else "RS384"):
        raise ContentError("is no public key of its kind, to verify signatures with", field="jwks")


def _length(number: object) -> int:
    """Bytes of a base64url number."""
    try:
        return len(urlsafe_b64decode(f"{number}=="))
    except ValueError:
        return 0
