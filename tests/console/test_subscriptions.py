"""A participant subscribes at the console, is told, and ends it; an endpoint is no way into our network."""

from __future__ import annotations

import re

import psycopg
import pytest

from exchange.app.partners.delivering import send_due
from exchange.app.partners.subscribing import Wish, own_subscriptions, subscribe, unsubscribe
from exchange.delivery.subscriptions import register_subscriptions, subscriptions
from exchange.model.errors import Conflict, ContentError
from tests.delivery.receiver import Receiver

MEMBER = "elm_clinic"
WISH = Wish(("new-result",), "TREAT", "organization", "related", "at-once", "rest_hook")


@pytest.fixture
def inbox():
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def own(opened):
    return opened.partners[MEMBER]


@pytest.fixture(autouse=True)
def ended(opened):
    yield
    with psycopg.connect(opened.database_url) as connection:
        connection.execute("UPDATE subscription SET ended = now() WHERE declared = 'console'")


def form(url="", **changes):
    asked = {
        "topic.admission": "1", "topic.resource-published": "1", "panel": "own", "purpose": "TREAT",
        "role": "organization", "every": "at-once", "channel": "rest_hook", "content": "id-only",
        "form": "csv", "url": url, "authorization": "", "own_records": "1",
    }  # fmt: skip
    return {**asked, **changes}


def test_a_partner_subscribes_is_greeted_and_ends_it(served, opened, inbox):
    partner = served.visitor("partner", MEMBER)
    sent = form(f"{inbox.url}?key=hidden", authorization="Bearer of a secret")
    shown = partner.post("/own/subscriptions", **sent)
    assert shown.status_code == 200, shown.text
    assert inbox.url in shown.text.replace("<wbr>", "")
    assert "key=hidden" not in shown.text
    assert "Bearer of a secret" not in shown.text
    with psycopg.connect(opened.database_url) as connection:
        (kept,) = [s for s in subscriptions(connection) if s.declared == "console"]
        stored = connection.execute("SELECT facts::text FROM subscription").fetchall()
    assert (kept.status, kept.participant, kept.delivery.topics) == (
        "requested", MEMBER, ("resource-published", "admission"),
    )  # fmt: skip
    assert not any("Bearer of a secret" in text for (text,) in stored)
    assert send_due(opened)["greeted"] == 1
    (greeting,) = inbox.got
    assert {k.lower(): v for k, v in greeting.headers.items()}["authorization"] == "Bearer of a secret"
    name = re.search(r'name="name" value="(console\.\w+)"', shown.text)[1]
    other = served.visitor("partner", "oak_clinic")
    assert f"<code>{name}</code>" in shown.text.replace("<wbr>", ""), "as receipts call it"
    assert name not in other.get("/own/subscriptions").text
    assert other.post("/own/subscriptions/ended", "/own/subscriptions", name=name).status_code == 404
    gone = partner.post("/own/subscriptions/ended", "/own/subscriptions", name=name)
    assert gone.status_code == 200
    assert name not in gone.text
    assert partner.post("/own/subscriptions/ended", "/own/subscriptions", name=name).status_code == 404
    with psycopg.connect(opened.database_url) as connection:
        told = connection.execute(
            "SELECT participant, body ->> 'action' FROM audit_event WHERE kind = 'subscription.changed'"
            " ORDER BY sequence DESC LIMIT 2"
        ).fetchall()
    assert told == [(MEMBER, "D"), (MEMBER, "C")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://10.0.0.1/inbox"},
        {"url": "http://clinic.example/inbox"},
        {"url": "https://clinic.example/${EXCHANGE_DATABASE_URL}"},
        {"purpose": "HRESCH"},
        {"role": "king"},
        {"panel": "x"},
        {"every": "yearly"},
        {"channel": "sftp"},
        {"channel": "mllp"},
        {"authorization": "a\u00e9"},
        {"topic.admission": "", "topic.resource-published": ""},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(served, opened, wrong):
    partner = served.visitor("partner", MEMBER)
    answer = partner.post("/own/subscriptions", **{**form("https://clinic.example/inbox"), **wrong})
    assert answer.status_code == 400
    with psycopg.connect(opened.database_url) as connection:
        assert [s for s in own_subscriptions(connection, MEMBER) if s.declared == "console"] == []


def test_a_page_to_fetch_needs_no_address(served, opened):
    partner = served.visitor("partner", MEMBER)
    assert partner.post("/own/subscriptions", **form(channel="download", form="pdf")).status_code == 200
    with psycopg.connect(opened.database_url) as connection:
        (kept,) = [s for s in subscriptions(connection) if s.declared == "console"]
    assert (kept.status, kept.delivery.channel.type, kept.delivery.form) == ("active", "download", "pdf")


def test_there_is_an_end_to_how_many_and_only_its_own_are_ended(opened, own):
    wish = Wish(("admission",), "TREAT", "organization", "own", "nightly", "download", form="csv")
    made = [subscribe(opened, own, wish, "kim") for _ in range(20)]
    with pytest.raises(Conflict, match="20 already"):
        subscribe(opened, own, wish, "kim")
    unsubscribe(opened, own, made[0], "kim")
    assert subscribe(opened, own, wish, "kim")
    with pytest.raises(Conflict):
        unsubscribe(opened, opened.partners["oak_clinic"], made[1], "kim")


def test_an_endpoint_of_the_console_is_held_outside_like_one_of_the_api(opened, own, monkeypatch):
    """A name that leads into our network when something is sent: nothing is."""
    from exchange.delivery import channels

    looked = []
    monkeypatch.setattr(channels, "refuse_inside", looked.append)
    with pytest.raises(ContentError):
        subscribe(opened, own, Wish(**{**_plain(WISH), "url": "https://127.0.0.2/x"}), "kim")
    subscribe(opened, own, Wish(**{**_plain(WISH), "url": "https://localhost.invalid/x"}), "kim")
    send_due(opened)
    assert looked == ["https://localhost.invalid/x"]


def _plain(wish):
    return {name: getattr(wish, name) for name in wish.__slots__}


@pytest.mark.parametrize("left", [{}, {"purposes": ()}, {"roles": ("physician",)}, None])
def test_it_ends_with_the_agreement_it_was_made_under(opened, own, left):
    wish = Wish(("admission",), "TREAT", "organization", "own", "nightly", "download", form="csv")
    name = subscribe(opened, own, wish, "kim")
    others = {code: partner for code, partner in opened.partners.items() if code != MEMBER}
    requests = own.requests.model_copy(update=left or {})
    now = others if left is None else {**others, MEMBER: own.model_copy(update={"requests": requests})}
    with psycopg.connect(opened.database_url) as connection:
        register_subscriptions(connection, now, opened.work.now())
        names = [one.name for one in own_subscriptions(connection, MEMBER)]
    assert (name in names) == (left == {})
