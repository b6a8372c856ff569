"""Every text of the console in every language, and pages that are really read in it."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from exchange.console.extract import texts
from exchange.console.language import _LOCALE, LANGUAGES
from exchange.console.language import catalogue as language_catalogue
from tests.console.access import violations

OTHERS = [language for language in LANGUAGES if language != "en"]
_TEMPLATES = _LOCALE.parent / "templates"
_JINJA = Environment(extensions=["jinja2.ext.i18n"])
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def catalogue(language):
    with (_LOCALE / f"{language}.po").open("rb") as file:
        return read_po(file, locale="uk")


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_nothing_is_left_over(language):
    found = {
        message.id if isinstance(message.id, str) else tuple(message.id): message
        for message in catalogue(language)
        if message.id
    }
    wanted = set(texts())
    assert {text for text in wanted if text not in found} == set()
    assert set(found) - wanted == set()
    for text, message in found.items():
        given = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(given), text
        first = text if isinstance(text, str) else text[1]
        for one in given:
            assert sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(first)), text


# The name of the product, and what only looks like words: addresses that forms and trails lead to.
_UNTRANSLATED = {"Mosaic Exchange", "· Mosaic Exchange"}


@pytest.mark.parametrize("path", sorted(_TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_no_template_says_a_word_that_is_not_marked(path):
    written = "\0".join(value for _, kind, value in _JINJA.lex(path.read_text("utf-8")) if kind == "data")
    written = re.sub(r"<(code|pre)\b.*?</\1>", "", written, flags=re.DOTALL)
    said = re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"\0]+)"', written)
    said += re.split(r"[\n\0]", re.sub(r"<[^>]*>?|[^<>]*>", "\n", written))
    # A piece of a tag that an expression cuts in two is no text.
    words = {" ".join(text.split()) for text in said if re.search(r"[A-Za-z]{2}", text) and '="' not in text}
    assert {word for word in words if not word.startswith("/")} - _UNTRANSLATED == set()


@pytest.mark.parametrize("path", sorted(_TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_templates_translate_by_gettext_only_what_stands_in_them(path):
    """Gettext takes its text for HTML and for a format; a value that is said goes through `named.say`."""
    calls = _JINJA.parse(path.read_text("utf-8")).find_all(nodes.Call)
    given = [call.args[0] for call in calls if getattr(call.node, "name", "") in ("_", "gettext", "ngettext")]
    assert [one for one in given if not isinstance(one, nodes.Const)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_plurals_have_as_many_forms_as_the_language(language):
    found = catalogue(language)
    assert {len(m.string) for m in found if isinstance(m.string, tuple)} == {found.num_plurals}


# What is said of any number in the same words, in all three languages.
_OF_ANY_NUMBER = {
    "agree with the model's likelier side", "could not be read", "disclosed before a label came",
    "of them known to more than one member", "of them sealed", "people known to the exchange", "would change",
}  # fmt: skip


def test_a_word_beside_a_number_agrees_with_it():
    written = "".join(path.read_text("utf-8") for path in _TEMPLATES.rglob("*.html"))
    beside = re.findall(r'</strong> *\{\{ _\("([^"]+)"\)', written)
    assert set(beside) == _OF_ANY_NUMBER
    said = language_catalogue("uk").ngettext
    counted = [said("record in the audit log", "records in the audit log", n) for n in (1, 2, 5, 11, 21, 84)]
    assert [words.split()[0] for words in counted] == [
        "запис", "записи", "записів", "записів", "запис", "записи"
    ]  # fmt: skip


def test_a_browser_is_answered_in_its_language(browse):
    page = browse("match-steward", "/matching", locale="uk")
    assert page.locator("h1").inner_text() == "Можливі збіги"
    assert violations(page) == []
    page.get_by_role("button", name="English").click()
    assert page.locator("h1").inner_text() == "Possible matches"
