"""Rules are put into force by two signatures, each made with the key of its officer and nobody else's."""

from __future__ import annotations

import re
from base64 import b64encode
from html import unescape

import psycopg
import pytest

from exchange.crypto import sign
from tests.console.officers import add_officers

PAGE = "/privacy/activation"


@pytest.fixture(scope="module")
def keys(opened):
    return add_officers(opened)


def to_sign(visitor, officer):
    """The fields of the form, and the statement in it."""
    shown = unescape(visitor.post(PAGE, officer=officer).text)
    fields = dict(re.findall(r'name="(subject|officer|at)" value="([^"]+)"', shown))
    return fields, re.search(r"<textarea[^>]*readonly[^>]*>(.*?)</textarea>", shown)[1].encode()


def test_a_signature_with_anothers_key_is_not_taken(served, opened, keys):
    officer, page = served.visitor("privacy-officer"), PAGE
    fields, statement = to_sign(officer, "anna")
    with psycopg.connect(opened.database_url) as connection:
        before = connection.execute("SELECT count(*) FROM officer_act").fetchone()
        for signature in (b64encode(sign(statement, keys["bohdan"])).decode(), "", "%%"):
            refused = officer.post(f"{page}/signed", page, **fields, signature=signature)
            assert refused.status_code == 400
        for at in (
            "2026-01-01T00:00:00+00:00",
            "2999-01-01T00:00:00+00:00",
            fields["at"][:19],
            "0001-01-01T00:00:00+14:00",
        ):
            other = {**fields, "at": at, "signature": "c2lnbmVk"}
            assert "older than a day" in officer.post(f"{page}/signed", page, **other).text
        assert connection.execute("SELECT count(*) FROM officer_act").fetchone() == before


def test_the_signatures_of_two_put_rules_into_force(served, opened, keys):
    officer = served.visitor("privacy-officer")
    for name, told in (("anna", "A second officer signs now."), ("bohdan", "signed by two")):
        assert "signed by two." not in officer.get(PAGE).text
        fields, statement = to_sign(officer, name)
        signature = b64encode(sign(statement, keys[name])).decode()
        wrong = officer.post(f"{PAGE}/signed", PAGE, **fields, signature="half of a si")
        assert statement.decode() in unescape(wrong.text), "the same, which may be signed already"
        assert ">half of a si</textarea>" in wrong.text
        assert told in officer.post(f"{PAGE}/signed", PAGE, **fields, signature=signature).text
        assert "signed to put rules into force" in officer.get(PAGE).text
    with psycopg.connect(opened.database_url) as connection:
        acts = connection.execute(
            "SELECT officer FROM officer_act WHERE kind = 'ruleset-activated'"
        ).fetchall()
    assert acts == [("anna",), ("bohdan",)]
    shown = officer.get(PAGE).text
    assert "The rules as they are written are signed by two." in shown
    assert "See what they change, and sign" not in shown
