"""Who typed something wrong gets the form again with all of it, and the reason beside the field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml.html import HtmlElement, document_fromstring

from exchange.console.pages import PLACES

_TEMPLATES = Path(__file__).parents[2] / "exchange/console/templates"
# They answer with their own page in every case, or hold nothing that somebody writes by hand.
_ANSWER_THEMSELVES = {
    "/account", "/link/{token}", "/privacy/people", "/privacy/people/{person}/consents/forms/{form}",
    "/sign-in",
}  # fmt: skip
_LONG = 'so it was <b>"written"</b>'
_KEPT = (
    ("partner", "/own/clients", "/own/clients", {"client_id": "!", "keys": "{}"}, "client_id"),
    ("partner", "/own/clients", "/own/clients", {"client_id": "ours"}, "jwks"),
    ("partner", "/own/panels", "/own/panels", {"name": "Tuesday\0", "ids": "one two"}, "name"),
    ("partner", "/own/panels", "/own/panels", {"name": "Tuesday", "ids": ""}, "ids"),
    ("partner", "/own/panels", "/own/panels", {"name": "Tuesday", "ids": "1234-A\nLópez"}, "ids"),
    ("partner", "/own/ask", "/own/ask", {"purpose": "TREAT", "target": "Patient?name=López"}, "target"),
    ("partner", "/own/subscriptions", "/own/subscriptions",
     {"topic.admission": "1", "purpose": "TREAT", "channel": "rest_hook", "every": "nightly",
      "url": "ftp:x"}, "url"),
    ("privacy-officer", "/privacy/recalls", "/privacy/recalls", {"kind": "", "what": "Consent/1",
      "reason": _LONG}, "kind"),
    ("privacy-officer", "/privacy/recalls", "/privacy/recalls", {"kind": "source-error",
      "what": "Consent/1"}, "reason"),
    ("privacy-officer", "/privacy/suspensions", "/privacy/suspensions",
     {"patient": "nobody", "recipient": "elm_clinic", "official": _LONG, "statement": "oral",
      "stated": "2026-11-01", "until": "2026-11-02"}, "patient"),
    ("privacy-officer", "/privacy/workforce", "/privacy/workforce",
     {"participant": "elm_clinic", "user": "u-7", "patient": "x"}, "patient"),
    ("privacy-officer", "/privacy/audit", "/privacy/audit/views",
     {"login": "vega", "since": "2026-01-02", "name": "n" * 81}, "name"),
    ("privacy-officer", "/privacy/drafts?file=policies/20-hipaa.yaml", "/privacy/drafts",
     {"file": "policies/20-hipaa.yaml", "text": "  "}, "text"),
)  # fmt: skip


def typed(page: HtmlElement, name: str) -> str | None:
    """What stands in the field of that name: its text, what is chosen of it, or whether it is ticked."""
    field = page.xpath(f"//main//*[@name='{name}'][not(@type='hidden')]")
    if not field:
        return None
    if field[0].tag == "select":
        chosen = field[0].xpath("option[@selected]")
        return chosen[0].get("value", chosen[0].text) if chosen else field[0].xpath("option/@value")[0]
    if field[0].get("type") in ("radio", "checkbox"):
        return next((one.get("value") for one in field if one.get("checked") is not None), "")
    return field[0].text or "" if field[0].tag == "textarea" else field[0].get("value", "")


@pytest.mark.parametrize(("role", "page", "path", "fields", "field"), _KEPT)
def test_what_cannot_be_used_comes_back_as_it_was_typed(served, role, page, path, fields, field):
    visitor = served.visitor(role, "elm_clinic" if role == "partner" else None)
    answer = visitor.post(path, page=page, **fields)
    assert answer.status_code == 400
    shown = document_fromstring(answer.text)
    unread = {"keys", "jwks"}
    for name, text in fields.items():
        if name in unread or (name == "kind" and not text):
            continue
        kept = typed(shown, name)
        assert kept is None or kept.lstrip("\n") == text.replace("\0", "\N{REPLACEMENT CHARACTER}"), name
    (told,) = shown.xpath("//main/*[@role='alert']")
    (beside,) = shown.xpath(f"//*[@id='fault-{field}']")
    assert beside.text_content().strip() in told.text_content()
    if shown.xpath(f"//main//*[@name='{field}']"):
        (wrong,) = shown.xpath("//*[@aria-invalid]")
        assert (wrong.get("name"), wrong.get("aria-describedby")) == (field, f"fault-{field}")
        assert wrong.get("autofocus") is not None
    assert shown.findtext(".//title").startswith("Not done: ")


def test_a_decision_without_its_reason_leads_back_to_what_is_decided(served, opened):
    with opened.work.connect() as connection:
        ((a, b),) = connection.execute("SELECT a, b FROM match_review ORDER BY a, b LIMIT 1").fetchall()
    steward = served.visitor("match-steward")
    answer = steward.post(f"/matching/{a}-{b}", decision="link", reason="  ")
    assert answer.status_code == 400
    assert "Are these two one person?" in answer.text
    assert 'id="fault-reason"' in answer.text


def test_what_is_no_fault_of_the_form_is_not_laid_to_it(served, monkeypatch):
    def failing(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("exchange.console.pages.panels._page", failing)
    partner = served.visitor("partner", "elm_clinic")
    answer = partner.post("/own/panels", page="/own/clients", name="x", ids="")
    assert answer.status_code == 500


@pytest.mark.parametrize("path", sorted(_TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_every_form_that_is_written_in_is_known_to_where_it_is_sent(path):
    """The address of a form with a field to write in: its place shows the form again."""
    known = [place for place in PLACES if place.method == "POST" and place.form is not None]
    for form in re.findall(r'<form method="post".*?</form>', path.read_text("utf-8"), re.DOTALL):
        if not re.search(r"<textarea|<input (?!type=\"(?:hidden|file|radio|checkbox))", form):
            continue
        (action,) = re.findall(r'action="([^"]*)"', form)
        pattern = re.escape(re.sub(r"\{\{.*?\}\}", "~", action)).replace(re.escape("~"), r"\{\w+\}")
        if not any(re.fullmatch(pattern, one) for one in _ANSWER_THEMSELVES):
            assert any(re.fullmatch(pattern, place.path) for place in known), action


def test_what_takes_longer_says_so_until_it_is_there(browse):
    page = browse("partner", "/own/clients", participant="elm_clinic", locale="uk")
    assert page.locator("#working").is_hidden()
    # The answer never comes.
    page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    page.get_by_role("button", name="English").click()
    page.locator("#working").wait_for(state="visible", timeout=5_000)
    assert "відповідь з’явиться сама" in page.locator("#working").inner_text()
    page.evaluate("dispatchEvent(new Event('pageshow'))")  # as one that is gone back to
    assert page.locator("#working").is_hidden()
