"""Signing in and out, the first page, the language, one's own account."""

from __future__ import annotations

from exchange.app.privacy.viewing import record_sign_in
from exchange.console.accounts import (
    Account,
    account_of_subject,
    check_secret,
    close_session,
    open_session,
    password_is_asked,
    set_secret,
    use_link,
)
from exchange.console.desk import Desk
from exchange.console.event_words import UNKNOWN
from exchange.console.given import local
from exchange.console.guesses import guessed_enough, note_guess
from exchange.console.language import LANGUAGES
from exchange.console.messages import Answer, NotFound, Page, Redirect, Visit
from exchange.console.openid import NotSignedIn, subject_of
from exchange.console.openid import begin as begin_openid
from exchange.console.places import everybody, nobody
from exchange.model.errors import ContentError


def home(desk: Desk, visit: Visit) -> Answer:
    return Page("home.html")


def sign_in_page(desk: Desk, visit: Visit) -> Answer:
    return Redirect("/") if visit.account else Page("sign_in.html", {"refused": False, "login": ""})


def sign_in(desk: Desk, visit: Visit) -> Answer:
    login = visit.form.get("login", "").strip().lower()
    with desk.exchange.work.connect() as connection:
        if guessed_enough(connection, visit.address, visit.at):
            return Page("guessed.html", status=429)
        secret = visit.form.get("password", "")
        found = check_secret(connection, login, secret, visit.address, visit.at)
        if found is None:
            note_guess(connection, visit.address, visit.at)
        connection.commit()
    if found is None:
        # What was typed as a login may be a password; it is not kept.
        record_sign_in(desk.exchange, "sign-in-refused", UNKNOWN, visit.address)
        return Page("sign_in.html", {"refused": True, "login": login}, 403)
    return begin(desk, visit, found, local(visit.back) if visit.back else "/")


def begin(desk: Desk, visit: Visit, account: Account, to: str, by_link: bool = False) -> Redirect:
    """A session for somebody who showed who they are, in place of the one this browser had."""
    with desk.exchange.work.connect() as connection:
        close_session(connection, visit.session)
        session = open_session(connection, account.login, visit.at, by_link)
        connection.commit()
    record_sign_in(desk.exchange, "signed-in", account.login, visit.address)
    return Redirect(to, session=session)


def sign_out(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        close_session(connection, visit.session)
        connection.commit()
    record_sign_in(desk.exchange, "signed-out", visit.person.login, visit.address)
    return Redirect("/sign-in", session="")


def link_page(desk: Desk, visit: Visit) -> Answer:
    """Asks before the link is used up: programs that look ahead at links press no buttons."""
    return Page("link.html", {"token": visit.path["token"]})


def follow_link(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = use_link(connection, visit.path["token"], visit.at)
        connection.commit()
    if found is None:
        record_sign_in(desk.exchange, "sign-in-refused", UNKNOWN, visit.address)
        return Page("link_used.html", status=403)
    return begin(desk, visit, found, "/", by_link=True)


def openid(desk: Desk, visit: Visit) -> Answer:
    if desk.provider is None:
        raise NotFound
    begun = begin_openid(desk.provider, f"{desk.base_url}/openid/callback", desk.cookie_key)
    return Redirect(begun.address, openid=begun.cookie)


def openid_callback(desk: Desk, visit: Visit) -> Answer:
    if desk.provider is None:
        raise NotFound
    callback = f"{desk.base_url}/openid/callback"
    try:
        subject = subject_of(desk.provider, callback, desk.cookie_key, visit.openid, visit.query, visit.at)
    except NotSignedIn:
        record_sign_in(desk.exchange, "sign-in-refused", UNKNOWN, visit.address)
        return Page("openid_refused.html", status=403)
    with desk.exchange.work.connect() as connection:
        found = account_of_subject(connection, subject)
    if found is None:
        record_sign_in(desk.exchange, "sign-in-refused", subject, visit.address)
        return Page("openid_unknown.html", {"subject": subject}, 403)
    return begin(desk, visit, found, local(visit.back) if visit.back else "/")


def account_page(desk: Desk, visit: Visit) -> Answer:
    return _account(desk, visit, "")


def _account(desk: Desk, visit: Visit, wrong: str) -> Page:
    with desk.exchange.work.connect() as connection:
        asked = password_is_asked(connection, visit.session)
    return Page("account.html", {"wrong": wrong, "asked": asked}, 400 if wrong else 200)


def change_password(desk: Desk, visit: Visit) -> Answer:
    """Ends every session of the account, begins this one anew; whoever found it open lacks the password."""
    login, given = visit.person.login, visit.form.get("password", "")
    if given != visit.form.get("again", ""):
        return _account(desk, visit, "different")
    with desk.exchange.work.connect() as connection:
        current = visit.form.get("current", "")
        known = not password_is_asked(connection, visit.session) or check_secret(
            connection, login, current, visit.address, visit.at
        )
        connection.commit()
        if not known:
            return _account(desk, visit, "current")
        try:
            set_secret(connection, login, given)
        except ContentError:
            return _account(desk, visit, "short")
        connection.commit()
    return begin(desk, visit, visit.person, "/account")


def choose_language(desk: Desk, visit: Visit) -> Answer:
    chosen = visit.form.get("language", "")
    back = local(visit.form.get("back", "/"))
    return Redirect(back, language=chosen if chosen in LANGUAGES else "en")


PLACES = (
    everybody("/", home),
    nobody("/sign-in", sign_in_page),
    nobody("/sign-in", sign_in, "POST"),
    everybody("/sign-out", sign_out, "POST"),
    nobody("/openid", openid),
    nobody("/openid/callback", openid_callback),
    nobody("/link/{token}", link_page),
    nobody("/link/{token}", follow_link, "POST"),
    everybody("/account", account_page),
    everybody("/account", change_password, "POST"),
    nobody("/language", choose_language, "POST"),
)
