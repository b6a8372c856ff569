"""Whatever a page says in another language is in that language: texts of ours, titles of rules, codes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from inspect import getsource
from pathlib import Path
from typing import get_args

import psycopg
import pytest
import yaml

from exchange.consent.words import parse_words
from exchange.console.codes import CODES
from exchange.console.extract import texts
from exchange.console.language import catalogue
from exchange.console.pages.rules import conditions_of
from exchange.console.speech import Speech
from exchange.content import read_tree
from exchange.linkage.agreement import LEVELS
from exchange.linkage.constraints import apart, needs_certainty, needs_steward
from exchange.model.audit import Kind
from exchange.model.delivery import Channel, Delivery, Rhythm, Topic
from exchange.model.errors import ContentError
from exchange.model.partner import OrganizationType
from tests.console.walk import address, pages

CONSENT = Path(__file__).parents[2] / "consent"
_WORD = re.compile(r"[A-Za-z]{3,}")
# What stands on pages as it is: placeholders, codes in capitals, names of files, systems and accounts,
# resource types and ids of rules in brackets, a book of laws.
_AS_IT_IS = re.compile(
    r"%\(\w+\)s|\b[A-Z][A-Z0-9]+\b|urn:\S+|\S+\.(?:csv|yaml)\b|\b[\w-]+-all\b"
    r"|\([A-Z]\w+\)|\([a-z0-9-]+;|Ill\. Adm\. Code"
)
_VOID = {"br", "hr", "img", "input", "link", "meta"}


class _Said(HTMLParser):
    """Texts that a reader of the page reads or hears; what is marked as code or as English is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        left_out = tag in ("code", "pre", "textarea", "style") or given.get("lang") in ("en", "es")
        left_out = left_out or bool(self.open and self.open[-1][1])
        if not left_out:
            self.texts += [given[k] for k in ("aria-label", "title", "placeholder", "alt") if given.get(k)]
        if tag not in _VOID:
            self.open.append((tag, left_out))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if data.strip() and not (self.open and self.open[-1][1]):
            self.texts.append(data.strip())


def said(html: str) -> list[str]:
    reader = _Said()
    reader.feed(html.replace("<wbr>", ""))
    return reader.texts


@pytest.fixture(scope="module")
def content():
    return parse_words(read_tree(CONSENT))


@pytest.fixture(scope="module")
def english(content):
    """Words of our English that our Ukrainian does without."""
    uk, marked = catalogue("uk"), [(text, text) if isinstance(text, str) else text for text in texts()]
    ours = [one for both in marked for one in both]
    theirs = [
        uk.gettext(first) if first == other else uk.ngettext(first, other, 5) for first, other in marked
    ] + list(content["uk"].values())
    return words_in([*ours, *content["uk"]]) - words_in(theirs)


def words_in(lines) -> set[str]:
    return {word.lower() for line in lines for word in _WORD.findall(_AS_IT_IS.sub("", line))}


def test_no_page_says_anything_in_english(served, opened, english):
    names = [partner.organization.name for partner in opened.partners.values()]
    found, visitors = {}, {}
    with psycopg.connect(opened.database_url) as connection:
        for place in pages():
            path = address(place, connection)
            if path is None or not place.roles:
                continue
            role = place.roles[0]
            if role not in visitors:
                visitors[role] = served.visitor(role, "elm_clinic" if role == "partner" else None)
                visitors[role].session.cookies.set("language", "uk")
            text = "\n".join(said(visitors[role].get(path).text))
            for name in [*names, f"Person of {role}", "Mosaic Exchange"]:
                text = text.replace(name, "")
            left = {line for line in text.split("\n") if english & words_in([line])}
            if left:
                found[path] = left
    assert "\n".join(f"{path} {sorted(lines)}" for path, lines in found.items()) == ""


def test_english_on_a_page_would_be_noticed(english):
    assert {"records", "nothing", "sent", "purpose"} <= english
    assert said('<p title="x">a <code>b</code> <span lang="en">c</span> d</p>') == ["x", "a", "d"]


def test_every_title_of_a_rule_a_promise_and_a_label_has_words(content):
    files = read_tree(CONSENT)
    vocabulary = yaml.safe_load(files["vocabulary.yaml"])
    titles = [
        entry[field]
        for name, text in files.items()
        if name.startswith(("policies/", "invariants/"))
        for entry in yaml.safe_load(text).get("policies", yaml.safe_load(text).get("invariants"))
        for field in ("title", "citation")
        if re.search(r"[a-z]{4}", entry[field])
    ]
    titles += [
        one["title"]
        for kind in ("sensitivity", "law", "programs", "groups")
        for one in vocabulary[kind].values()
    ]
    assert set(content) == {"es", "uk"}
    assert {title for title in titles if title not in content["uk"]} == set()
    assert set(content["uk"]) - set(titles) == set()


def test_every_code_that_a_page_may_show_has_words(opened):
    rules = opened.context.rules
    assert set(CODES["event"]) == set(get_args(Kind))
    assert set(get_args(OrganizationType)) <= set(CODES["organization"])
    assert set(LEVELS) <= set(CODES["field"])
    assert {level for levels in LEVELS.values() for level in levels} <= set(CODES["level"])
    limits = getsource(apart) + getsource(needs_steward) + getsource(needs_certainty)
    assert set(re.findall(r'return "([a-z-]+)"', limits)) <= set(CODES["link-rule"])
    assert set(get_args(Topic)) == set(CODES["topic"])
    assert set(get_args(Rhythm)) == set(CODES["rhythm"])
    for model, field, kind in (
        (Delivery, "panel", "panel"),
        (Delivery, "content", "content"),
        (Channel, "type", "channel"),
    ):
        assert set(get_args(model.model_fields[field].annotation)) == set(CODES[kind])
    assert set(rules.vocabulary.file.obligations) == set(CODES["obligation"])
    assert set(rules.vocabulary.file.domains) == set(CODES["domain"])
    asked = {
        where for rule in rules.rules for block in conditions_of(rule.policy) for where, _values in block
    }
    assert asked <= set(CODES["condition"])


def test_a_list_is_searched_in_the_words_it_shows(served):
    officer = served.visitor("privacy-officer")
    officer.session.cookies.set("language", "uk")
    for words in ("Організація завжди бачить", "own-records"):
        found = officer.get("/privacy/rules", params={"rules.filter": words}).text
        assert re.findall(r'href="/privacy/rules/([\w-]+)"', found) == ["own-records"]


def test_a_consent_is_said_as_the_persons_own_whichever_of_its_sentences_counted(opened):
    speech = Speech("en", opened)
    assert speech.rules(("consent:0:provision.provision[1]", "consent", "own-records")) == (
        "the person's own consent; An organization always sees what it contributed itself"
    )


def test_who_looked_is_said_by_account_or_by_participant_and_user(opened):
    english, ukrainian = Speech("en", opened), Speech("uk", opened)
    assert english.looker("user elm_clinic u 7%") == "user u 7% of Elm Clinic"
    assert ukrainian.looker("account vega") == ukrainian.participant("account vega") == "обліковий запис vega"


def test_a_title_that_was_changed_is_shown_in_english_and_not_in_old_words(opened):
    speech = Speech("uk", opened)
    assert speech.rule("own-records").startswith("Організація завжди бачить")
    assert speech.say("An organization sees what it contributed itself") == (
        "An organization sees what it contributed itself"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("en,uk\na,b\nc\n", 3),
        ("en,uk\na,b\na,c\n", 3),
        ("en,uk\na,\n", 2),
        ('en,uk\na,"b\n', 2),
        ("uk,en\na,b\n", 1),
        ("en,uk,uk\na,b,c\n", 1),
        ("", 1),
    ],
)
def test_words_that_are_wrong_are_named_by_their_line(text, line):
    with pytest.raises(ContentError, match=rf"consent/words.csv:{line}"):
        parse_words({"words.csv": text})


def test_words_saved_by_a_spreadsheet_are_read():
    assert parse_words({"words.csv": "\ufeffen,uk\na,b\n"}) == {"uk": {"a": "b"}}


def test_wrong_words_stop_nothing_and_titles_are_in_english_until_they_are_mended(served, opened):
    officer, file = served.visitor("privacy-officer"), opened.settings.home / "consent/words.csv"
    officer.session.cookies.set("language", "uk")
    text = file.read_text("utf-8")
    try:
        file.write_text(text + 'half,"a row\n', "utf-8")
        served.desk.opened.look()
        assert "An organization always sees" in officer.get("/privacy/rules").text
        assert served.desk.opened.wrong is None
        assert served.desk.exchange.context.rules.digest == opened.context.rules.digest
    finally:
        file.write_text(text, "utf-8")
        served.desk.opened.look()
    assert "Організація завжди бачить" in officer.get("/privacy/rules").text
