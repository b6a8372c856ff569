"""Who gets in, and what a page of another site can make a browser do."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Semaphore
from urllib.parse import quote

import psycopg
import pytest
import requests
from argon2 import PasswordHasher, Type

from exchange.console import accounts
from exchange.console.accounts import (
    IDLE,
    LONGEST,
    ROLES,
    add_account,
    check_secret,
    open_session,
    session_account,
    set_secret,
    use_link,
)
from exchange.console.guesses import MOST, SPAN, guessed_enough, neighbourhood, note_guess
from exchange.console.pages import PLACES
from exchange.model.errors import ContentError
from tests.console.conftest import Visitor

SECRET = "a sentence that is long enough"


def sample(path):
    return re.sub(r"\{[^}]+\}", "1", path)


@pytest.mark.parametrize("place", [p for p in PLACES if p.roles], ids=lambda p: f"{p.method} {p.path}")
def test_every_page_but_the_first_needs_a_sign_in(served, place):
    answer = requests.request(
        place.method, served.url + sample(place.path), allow_redirects=False, timeout=30
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("place", [p for p in PLACES if p.roles], ids=lambda p: f"{p.method} {p.path}")
def test_every_page_is_for_its_roles_alone(served, place):
    for role in set(ROLES) - set(place.roles):
        visitor = served.visitor(role, "elm_clinic" if role == "partner" else None)
        answer = visitor.session.request(place.method, served.url + sample(place.path), timeout=30)
        assert answer.status_code == 403


@pytest.mark.parametrize("place", [p for p in PLACES if p.method == "POST"], ids=lambda p: p.path)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=["no proof", "another origin", "another site", "a neighbour"],
)
def test_a_form_of_somebody_else_does_nothing(served, place, headers):
    role = place.roles[0] if place.roles else "match-steward"
    visitor = served.visitor(role, "elm_clinic" if role == "partner" else None)
    data = {"csrf": served.proof(role, visitor)} if headers else {}
    answer = visitor.session.post(
        served.url + sample(place.path), data=data, headers=headers, timeout=30, allow_redirects=False
    )
    assert answer.status_code == 403


def test_the_proof_of_one_person_is_worth_nothing_to_another(served):
    one, other = served.visitor("match-steward"), served.visitor("coalition")
    proof = re.search(r'name="csrf" value="(\w+)"', one.get("/account").text)[1]
    answer = other.session.post(served.url + "/sign-out", data={"csrf": proof}, timeout=30)
    assert answer.status_code == 403
    assert other.get("/account").status_code == 200


def test_each_area_is_open_to_its_own_people():
    """A slip in the roles of one page lets nobody in."""
    areas = {
        "privacy": {"privacy-officer"}, "own": {"partner"}, "matching": {"match-steward"},
        "partners": {"data-engineer"}, "runs": {"data-engineer"}, "records": {"data-engineer"},
        "quarantine": {"data-engineer"}, "codes": {"data-engineer"},
        "coalition": {"coalition", "privacy-officer"},
    }  # fmt: skip
    before = {"sign-in", "openid", "link", "language"}
    for place in PLACES:
        area = place.path.split("/")[1]
        assert set(place.roles) == areas.get(area, set() if area in before else set(ROLES)), place.path


def test_a_name_that_was_made_to_point_here_is_refused(served):
    answer = requests.get(served.url + "/sign-in", headers={"Host": "evil.example"}, timeout=30)
    assert answer.status_code == 421


def test_every_answer_says_what_a_browser_may_do_with_it(served):
    for path in ("/sign-in", "/nowhere", "/static/console.css"):
        answer = requests.get(served.url + path, timeout=30)
        assert "nosniff" in answer.headers.get("x-content-type-options", ""), path
    policy = requests.get(served.url + "/sign-in", timeout=30).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_cookies_are_out_of_reach_of_scripts(served):
    answer = requests.get(served.url + "/sign-in", timeout=30)
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)",
        "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
        "/\r\nLocation: //evil.example",
        "/\u2028/evil.example", "/ /evil.example", "",
    ],
)  # fmt: skip
def test_choosing_a_language_leads_to_no_other_site(served, back):
    visitor = served.visitor("match-steward")
    proof = re.search(r'name="csrf" value="(\w+)"', visitor.get("/account").text)[1]
    answer = visitor.session.post(
        served.url + "/language",
        data={"csrf": proof, "language": "es", "back": back},
        allow_redirects=False,
        timeout=30,
    )
    assert answer.headers["location"] == "/"


def test_choosing_a_language_leads_back_to_the_page(served):
    visitor = served.visitor("match-steward")
    answer = visitor.post("/language", page="/matching", language="es", back="/matching?pairs.page=2")
    assert answer.url == served.url + "/matching?pairs.page=2"
    assert '<html lang="es">' in answer.text


@pytest.fixture(scope="module", autouse=True)
def quick_hashes():
    """Dozens of the real ones take half of this module's time; that they are strong is held below."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_HASHER", quick)
        patch.setattr(accounts, "_ABSENT", quick.hash("x"))
        yield


STRONG = accounts._HASHER


def test_a_password_costs_whoever_guesses_it_what_rfc_9106_asks():
    assert (STRONG.type, STRONG.memory_cost, STRONG.time_cost, STRONG.parallelism) == (Type.ID, 65_536, 3, 4)


@pytest.fixture
def account(connection, opened):
    at = opened.work.now()
    add_account(connection, "vega", "R. Vega", ["match-steward"], None, at)
    set_secret(connection, "vega", SECRET)
    return at


HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def test_five_wrong_passwords_lock_the_account_for_their_address_and_for_nobody_else(connection, account):
    assert check_secret(connection, "vega", SECRET, HERE, account)
    for _ in range(4):
        assert check_secret(connection, "vega", "wrong", HERE, account) is None
    assert check_secret(connection, "vega", SECRET, HERE, account)
    for _ in range(5):
        assert check_secret(connection, "vega", "wrong", HERE, account) is None
    assert check_secret(connection, "vega", SECRET, HERE, account) is None
    assert check_secret(connection, "vega", SECRET, ELSEWHERE, account)
    assert check_secret(connection, "vega", SECRET, HERE, account + timedelta(minutes=14)) is None
    assert check_secret(connection, "vega", SECRET, HERE, account + timedelta(minutes=16))


def test_who_goes_on_guessing_waits_twice_as_long_each_time(connection, account):
    for _ in range(5):
        check_secret(connection, "vega", "wrong", HERE, account)
    later = account + timedelta(minutes=16)
    assert check_secret(connection, "vega", "wrong", HERE, later) is None
    assert check_secret(connection, "vega", SECRET, HERE, later + timedelta(minutes=29)) is None
    assert check_secret(connection, "vega", SECRET, HERE, later + timedelta(minutes=31))


def test_a_hundred_wrong_passwords_from_everywhere_lock_the_account(connection, account):
    # A hundred argon2 hashes would take long: those before are written as they would stand there.
    connection.execute("UPDATE console_account SET failures = 99 WHERE login = 'vega'")
    assert check_secret(connection, "vega", "wrong", HERE, account) is None
    assert check_secret(connection, "vega", SECRET, ELSEWHERE, account) is None
    assert check_secret(connection, "vega", SECRET, ELSEWHERE, account + timedelta(minutes=16))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_office_is_one_address(address, counted):
    assert neighbourhood(address) == counted


def test_wrong_passwords_of_an_address_end_over_all_accounts(connection, account):
    for _ in range(MOST):
        assert not guessed_enough(connection, HERE, account)
        note_guess(connection, HERE, account)
    assert guessed_enough(connection, HERE, account)
    assert not guessed_enough(connection, ELSEWHERE, account)
    assert not guessed_enough(connection, HERE, account + SPAN)
    note_guess(connection, HERE, account + SPAN)
    assert not guessed_enough(connection, HERE, account + SPAN)


def test_who_guessed_enough_is_refused_before_a_password_costs_anything(served, opened, monkeypatch):
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("DELETE FROM console_guess")  # of tests that came before
        connection.execute("INSERT INTO console_guess VALUES ('127.0.0.1', %s, now())", [MOST - 1])
    visitor = Visitor(served.url, requests.Session())
    assert visitor.post("/sign-in", login="nobody", password="wrong").status_code == 403
    monkeypatch.delattr(accounts, "_verified")
    refused = visitor.post("/sign-in", login="nobody", password="wrong")
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("DELETE FROM console_guess")
    assert (refused.status_code, "15 minutes" in refused.text) == (429, True)


def test_few_passwords_are_hashed_at_once_and_nobody_queues_without_end(served, monkeypatch):
    begun, end, tried = Semaphore(0), Event(), []

    def slow(known, secret):
        tried.append(secret)
        begun.release()
        return end.wait(30) and False

    monkeypatch.setattr(accounts, "_verified", slow)
    visitor = Visitor(served.url, requests.Session())
    proof = re.search(r'name="csrf" value="(\w+)"', visitor.get("/sign-in").text)[1]

    def attempt(number):
        data = {"csrf": proof, "login": "nobody", "password": str(number)}
        cookies = visitor.session.cookies.get_dict()
        found = requests.post(f"{served.url}/sign-in", data=data, cookies=cookies, timeout=30).status_code
        if found == 503:
            refused.release()
        return found

    refused = Semaphore(0)
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(attempt, number) for number in range(12)]
        assert all(begun.acquire(timeout=30) for _ in range(2))
        assert all(refused.acquire(timeout=30) for _ in range(4))
        at_once = len(tried)
        end.set()
        codes = sorted(answer.result() for answer in answers)
    with psycopg.connect(served.desk.exchange.database_url) as connection:
        connection.execute("DELETE FROM console_guess")
    assert at_once == 2
    assert codes == [403] * 8 + [503] * 4


def test_a_session_ends_when_it_is_left_alone_and_when_it_is_old(connection, account):
    token = open_session(connection, "vega", account)
    assert session_account(connection, token, account + IDLE)
    assert session_account(connection, token, account + IDLE * 3) is None
    token = open_session(connection, "vega", account)
    at = account
    while at <= account + LONGEST:
        at += IDLE
        alive = session_account(connection, token, at)
    assert alive is None


def test_a_new_password_ends_every_session(connection, account):
    token = open_session(connection, "vega", account)
    set_secret(connection, "vega", SECRET + "!")
    assert session_account(connection, token, account) is None


def test_who_finds_a_session_open_changes_no_password(served, opened):
    visitor = served.newcomer("match-steward", "oak_clinic")
    new = {"password": SECRET, "again": SECRET}
    assert "Password of now" not in visitor.get("/account").text, "a link was given to choose one"
    assert visitor.post("/account", **new).url.endswith("/account")
    assert "Password of now" in visitor.get("/account").text
    for current in ({}, {"current": "wrong"}):
        assert visitor.post("/account", **dict.fromkeys(new, f"{SECRET}!"), **current).status_code == 400
    with psycopg.connect(opened.database_url) as connection:
        login = "match-steward-oak_clinic"
        assert check_secret(connection, login, SECRET, HERE, opened.work.now())
        connection.commit()
        assert "Password of now" in visitor.post("/account", **new, current=SECRET).text
        connection.execute("UPDATE console_account SET secret = NULL WHERE login = %s", [login])


def test_signing_in_again_ends_the_session_before(served):
    visitor = served.newcomer("coalition")
    before = dict(visitor.session.cookies)
    visitor.post(served.link("coalition").removeprefix(served.url))
    assert dict(visitor.session.cookies)["session"] != before["session"]
    answer = requests.get(served.url + "/account", cookies=before, allow_redirects=False, timeout=30)
    assert answer.status_code == 303


def test_a_cookie_that_somebody_else_chose_becomes_no_session(served):
    chosen = {"session": "chosen-by-somebody-else", "browser": "chosen-too"}
    with requests.Session() as session:
        session.cookies.update(chosen)
        path = served.link("coalition").removeprefix(served.url)
        proof = re.search(r'name="csrf" value="(\w+)"', session.get(served.url + path, timeout=30).text)[1]
        answer = session.post(served.url + path, data={"csrf": proof}, timeout=30, allow_redirects=False)
    assert answer.status_code == 303
    assert "chosen" not in answer.headers["set-cookie"]
    assert (
        requests.get(served.url + "/account", cookies=chosen, allow_redirects=False, timeout=30).status_code
        == 303
    )


def test_a_sign_that_no_text_has_is_told(served):
    officer = served.visitor("privacy-officer")
    for answer in (
        officer.get("/privacy/matrix?purpose=%00"),
        officer.get("/privacy/rules/%00"),
        officer.post("/privacy/people", page="/privacy", words="\0"),
    ):
        assert answer.status_code == 400
        assert "a sign that no text has" in answer.text


def test_what_is_stored_signs_nobody_in(connection, account):
    token = open_session(connection, "vega", account)
    stored = connection.execute("SELECT token, (SELECT secret FROM console_account) FROM console_session")
    kept, secret = stored.fetchone()
    assert token.encode() not in kept
    assert SECRET not in secret


def test_an_unknown_link_signs_nobody_in(connection, account):
    assert use_link(connection, "x", account) is None


@pytest.mark.parametrize(
    ("roles", "login", "participant"),
    [([], "a", None), (["king"], "a", None), (["partner"], "a", None), (["partner"], "A b ", "elm_clinic")],
)
def test_an_account_that_could_not_work_is_refused(connection, opened, roles, login, participant):
    with pytest.raises(ContentError):
        add_account(connection, login, "Somebody", roles, participant, opened.work.now())


def test_a_link_signs_in_once_in_a_browser(served, browser):
    link, context = served.link("match-steward"), browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.locator("main button").click()
    assert "Person of match-steward" in page.locator("header").inner_text()
    context.clear_cookies()
    page.goto(link)
    page.locator("main button").click()
    assert "Person of match-steward" not in page.locator("body").inner_text()
    assert page.goto(served.url + "/matching").url.endswith("/sign-in")
    context.close()


def test_signing_in_and_failing_to_are_recorded(served, opened):
    visitor = served.newcomer("match-steward")
    visitor.post("/sign-out", page="/account")
    assert visitor.get("/matching", allow_redirects=False).status_code == 303
    with requests.Session() as session:
        proof = re.search(
            r'name="csrf" value="(\w+)"', session.get(served.url + "/sign-in", timeout=30).text
        )[1]
        fields = {"csrf": proof, "login": "my secret", "password": "x"}
        assert session.post(served.url + "/sign-in", data=fields, timeout=30).status_code == 403
    with psycopg.connect(opened.database_url) as connection:
        rows = connection.execute(
            "SELECT body->>'outcome', body#>>'{subtype,0,code}', body#>>'{agent,0,who,display}'"
            " FROM audit_event WHERE kind = 'console.sign-in' ORDER BY sequence DESC LIMIT 2"
        ).fetchall()
    assert rows == [("8", "110122", "somebody"), ("0", "110123", "match-steward-all")]


@pytest.fixture(scope="module")
def steward(opened):
    """Somebody with a password."""
    with opened.work.connect() as connection:
        add_account(connection, "back", "Somebody", ["match-steward"], None, opened.work.now())
        set_secret(connection, "back", SECRET)
        connection.commit()
    return "back"


def stranger(served):
    """A browser whose session is over."""
    visitor = Visitor(served.url, requests.Session())
    visitor.session.cookies.set("session", "it was one once")
    return visitor


def test_whoever_signs_in_goes_on_where_the_session_ended(served, steward):
    visitor = stranger(served)
    asked = visitor.get("/matching/changes?changes.after=7")
    assert "Your session is over. Sign in and go on." in asked.text
    done = visitor.post("/sign-in", login=steward, password=SECRET)
    assert done.url == served.url + "/matching/changes?changes.after=7"
    visitor.post("/sign-out", page="/account")
    assert visitor.post("/sign-in", login=steward, password=SECRET).url == served.url + "/"


def test_what_was_sent_after_the_session_ended_is_said_to_be_not_done(served, steward):
    visitor = stranger(served)
    answer = visitor.session.post(f"{served.url}/matching/1-2", data={"decision": "link"}, timeout=30)
    assert "what you sent was not done" in answer.text
    assert visitor.post("/sign-in", login=steward, password=SECRET).url == served.url + "/matching/1-2"


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "/\\evil.example", "%2F%2Fevil"])
def test_no_way_back_leads_to_another_site(served, steward, back):
    visitor = stranger(served)
    visitor.session.cookies.set("back", quote(back, safe=""))
    done = visitor.post("/sign-in", login=steward, password=SECRET)
    assert done.url.startswith(served.url + "/")


def test_nothing_is_said_to_be_over_to_somebody_who_comes_first(served):
    assert "session is over" not in requests.get(f"{served.url}/matching", timeout=30).text
