"""Whatever a page says in another language is in that language: texts of ours, titles of rules, codes."""

from __future__ import annotations

import re
from inspect import getsource
from pathlib import Path
from typing import get_args

import pytest
import yaml

from exchange.consent.words import WORDS, parse_words
from exchange.console.codes import CODES
from exchange.console.pages.rules import conditions_of
from exchange.console.speech import Speech
from exchange.content import read_tree
from exchange.linkage.agreement import LEVELS
from exchange.linkage.constraints import apart, needs_certainty, needs_steward
from exchange.model.audit import Kind
from exchange.model.delivery import Channel, Delivery, Rhythm, Topic
from exchange.model.errors import ContentError
from exchange.model.partner import OrganizationType

CONSENT = Path(__file__).parents[2] / "consent"


@pytest.fixture(scope="module")
def content():
    return parse_words(read_tree(CONSENT))


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
    rest = {name: parse_words({name: files[name]})["uk"] for name in WORDS}
    assert set(content) == {"es", "uk"}
    assert {title for title in titles if title not in rest["words.csv"]} == set()
    assert set(rest["words.csv"]) - set(titles) == set()


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
