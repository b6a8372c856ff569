"""A client's JSON Web Key Set from its own address (RFC 7517), fetched with suspicion.

Only https, or http on this machine; no redirect is followed, no more is read than a key set holds, and a name
that leads into our own network is refused, so that nobody makes this server ask there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from exchange.connectors.endpoints import LOOPBACK, refuse_inside
from exchange.connectors.guarded import guarded_session
from exchange.connectors.http import USER_AGENT
from exchange.model.errors import ContentError, PartnerUnavailable

_MOST_BYTES = 65_536
_SECONDS = 5.0
_LONGEST_SECONDS = 10.0


def check_jwks_url(url: str) -> None:
    """Raises ContentError unless keys may be fetched from there."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if (
        not secure
        or not parts.hostname
        or parts.username
        or parts.password
        or parts.fragment
        or len(url) > 500
    ):
        raise ContentError(
            "must be https://… (http on this machine), without user or fragment", field="jwks_url"
        )


def fetch_jwks(url: str) -> Mapping[str, Any]:
    """The key set; raises PartnerUnavailable, whose words quote nothing of what was answered."""
    check_jwks_url(url)
    refuse_inside(url)
    headers = {"Accept": "application/json", "User-Agent": USER_AGENT}
    try:
        with (
            guarded_session(_LONGEST_SECONDS, outside_only=True) as (session, guard),
            session.get(url, headers=headers, timeout=_SECONDS, allow_redirects=False, stream=True) as answer,
        ):
            if answer.status_code != 200:
                raise PartnerUnavailable("the address of the keys does not answer with 200")
            body = _limited(answer)
            if guard.expired:
                raise PartnerUnavailable("the address of the keys does not answer in time")
            found = json.loads(body)
    except (requests.RequestException, ValueError, RecursionError):
        raise PartnerUnavailable("the keys cannot be fetched from their address") from None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise PartnerUnavailable("what lies at the address of the keys is no JSON Web Key Set")
    return found


def _limited(answer: requests.Response) -> bytes:
    body = b""
    for block in answer.iter_content(4_096):
        body += block
        if len(body) > _MOST_BYTES:
            raise PartnerUnavailable("the key set is too long")
    return body
