"""Cookies of the console: session, proof that a form is ours, language, a word told once, the way back.

A form is ours when it carries the value that belongs to this browser's cookie, and the browser says that it
was sent from one of our pages (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from exchange.console.desk import Desk
from exchange.console.messages import Redirect, Visit
from exchange.crypto import keyed_hash

LANGUAGE = "language"
OPENID = "openid"
BACK = "back"
_TOLD = "told"
_YEAR = 31_536_000


def session_name(desk: Desk) -> str:
    """`__Host-` binds a cookie to this host and to HTTPS (RFC 6265bis)."""
    return "__Host-session" if desk.secure else "session"


def _browser_name(desk: Desk) -> str:
    return "__Host-browser" if desk.secure else "browser"


def csrf(desk: Desk, request: Request) -> str:
    """What forms of this browser carry; a browser without a cookie gets one with the answer."""
    browser = request.cookies.get(session_name(desk)) or request.cookies.get(_browser_name(desk))
    if browser is None:
        browser = request.scope.setdefault("exchange.browser", secrets.token_urlsafe(16))
    return keyed_hash(browser, desk.cookie_key, "console forms")


def same(desk: Desk, request: Request, given: str) -> bool:
    """Was the form sent by one of our pages in this very browser?"""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", desk.base_url)
    return (
        site == "same-origin"
        and origin == desk.base_url
        and "exchange.browser" not in request.scope
        and hmac.compare_digest(given.encode(), csrf(desk, request).encode())
    )


def told(desk: Desk, request: Request) -> str:
    """The word carried from the page before, if it is ours."""
    mark, _, text = unquote(request.cookies.get(_TOLD, "")).partition(":")
    return text if hmac.compare_digest(mark, keyed_hash(text, desk.cookie_key, "console told")) else ""


def carry(desk: Desk, response: Response, answer: Redirect) -> None:
    """Sets what a redirect takes along: its word, where to go on, and a session that begins or ends."""
    if answer.told:
        mark = keyed_hash(answer.told, desk.cookie_key, "console told")
        _set(desk, response, _TOLD, quote(f"{mark}:{answer.told}"), 60)
    if answer.session is not None:
        if answer.session:
            _set(desk, response, session_name(desk), answer.session, None)
        else:
            response.delete_cookie(session_name(desk), secure=desk.secure, httponly=True)
        response.delete_cookie(BACK, secure=desk.secure, httponly=True)
    if answer.back:
        _set(desk, response, BACK, quote(answer.back, safe=""), 600)
    if answer.openid:
        _set(desk, response, OPENID, answer.openid, 600)
    if answer.language:
        _set(desk, response, LANGUAGE, answer.language, _YEAR)


def settle(desk: Desk, response: Response, visit: Visit) -> None:
    """Gives a new browser its cookie and forgets the word that was just shown."""
    if visit.browser:
        _set(desk, response, _browser_name(desk), visit.browser, None)
    if visit.told:
        response.delete_cookie(_TOLD, secure=desk.secure, httponly=True)


def _set(desk: Desk, response: Response, name: str, value: str, seconds: int | None) -> None:
    response.set_cookie(name, value, max_age=seconds, secure=desk.secure, httponly=True, samesite="lax")
