"""Every page as each of its people reads it: in three languages, by its structure, and (slow) by axe."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import psycopg
import pytest

from exchange.consent.proof.forms import read_forms
from exchange.consent.words import parse_words
from exchange.console.accounts import ROLES
from exchange.console.language import LANGUAGES
from exchange.content import read_tree
from tests.console.access import violations
from tests.console.filled import fill
from tests.console.remnants import english, read, words_in
from tests.console.structure import faults
from tests.console.walk import address, pages
from tests.pipeline.coalition import ROOT

OF_RULES = next(place for place in pages() if place.path == "/privacy/rules/{rule}")
OTHERS = [language for language in LANGUAGES if language != "en"]


def partner_of(role):
    return "elm_clinic" if role == "partner" else None


@pytest.fixture(scope="module")
def addresses(opened):
    """(who, address) of every page; one for all is read by each."""
    fill(opened)
    with psycopg.connect(opened.database_url) as connection:
        found = [(place, address(place, connection)) for place in pages()]
    found += [(OF_RULES, f"/privacy/rules/{one.policy.id}") for one in opened.context.rules.rules]
    found += [(OF_RULES, f"/privacy/forms/{form}") for form in read_forms(read_tree(ROOT / "consent"))]
    return [(role, path) for place, path in found if path for role in place.roles]


@pytest.fixture(scope="module")
def walked(served, addresses):
    """HTML by language, who reads it, and address."""
    found = {}
    for language in OTHERS:
        for role, path in addresses:
            visitor = served.visitor(role, partner_of(role))
            visitor.session.cookies.set("language", language)
            answer = visitor.get(path)
            assert answer.status_code == 200, path
            found[language, role, path] = answer.text
    return found


def test_every_page_is_in_its_language(walked):
    assert len(walked) > 2 * 60
    for (language, _, path), html in walked.items():
        assert f'<html lang="{language}">' in html, path


def test_nothing_is_a_dash_and_no_word_of_the_program(walked):
    told = re.compile(r">\s*(None|True|False|\(\)|\[\])\s*<")
    assert [(place, found[1]) for place, html in walked.items() if (found := told.search(html))] == []


def test_days_are_written_as_the_language_does(walked):
    """But in elements as partners sent them, and in fields, which the browser shows in the reader's way."""
    found = {
        (path, line)
        for (language, _role, path), html in walked.items()
        for line in read(html)[0]
        if language == "uk" and "/matching/person/" not in path and re.search(r"\b\d{4}-\d\d-\d\d\b", line)
    }
    assert found == set()


def test_what_a_screen_reader_needs_is_on_every_page(walked):
    found = {
        (role, path): faults(html) for (language, role, path), html in walked.items() if language == "uk"
    }
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("language", OTHERS)
def test_no_page_says_anything_in_english(walked, opened, language):
    foreign = english(language, parse_words(read_tree(ROOT / "consent")))
    names = [partner.organization.name for partner in opened.partners.values()]
    names += ["North Shelter", "Good Table"]  # whom forms name
    found = {}
    for (spoken, role, path), html in walked.items():
        if spoken == language:
            said, marked = read(html)
            text = "\n".join(said)
            for name in [*names, *(f"Person of {one}" for one in ROLES), "Mosaic Exchange"]:
                text = text.replace(name, "")
            left = {line for line in text.split("\n") if foreign & words_in([line])} | set(marked)
            if left:
                found[role, path] = sorted(left)
    assert not found, "\n".join(f"{place} {lines}" for place, lines in found.items())


def test_a_file_says_what_its_table_says(walked, served):
    """In Ukrainian: headings and words are the page's; numbers and times are written for spreadsheets."""
    compared = 0
    for (language, role, path), html in walked.items():
        if language != "uk" or path.startswith("/privacy/patients/"):  # that leads to the person's own page
            continue
        for taken, headings, rows in tables(html):
            visitor = served.visitor(role, partner_of(role))
            visitor.session.cookies.set("language", language)
            file = visitor.get(
                taken if taken.startswith("/") else path.partition("?")[0] + taken
            ).content.decode("utf-8-sig")
            first, *others = csv.reader(io.StringIO(file, newline=""))
            assert [heading.removesuffix(" (UTC)") for heading in first] == headings, (path, taken)
            if path == "/privacy/audit":  # the look at the file is its latest record
                continue
            for cells, line in zip(rows, others, strict=False):
                for shown, written in zip(cells, line, strict=False):
                    assert shown in (None, "–", written), (path, taken, headings)
                    compared += shown is not None
    assert compared > 200


_ROWS, _CELLS = (
    re.compile(r"<tr>(.*?)</tr>", re.DOTALL),
    re.compile(r'<td class="(.*?)">(.*?)</td>', re.DOTALL),
)


def tables(html):
    """(address of the file, headings, rows) of each table; cells are words, None for numbers and drawings."""
    for section in re.findall(r'<section class="table".*?</section>', html, re.DOTALL):
        if taken := re.search(r'href="([^"]*format=csv[^"]*)"', section):
            head, body = section.split("<tbody>")
            headings = [words(one) for one in re.findall(r"<th .*?</th>", head, re.DOTALL)]
            yield unescape(taken[1]), headings, [
                [None if kind or "<svg" in cell or "<li" in cell else words(cell) for kind, cell in row]
                for row in map(_CELLS.findall, _ROWS.findall(body))
            ]  # fmt: skip


def words(html):
    return unescape(re.sub(r"<.*?>", "", html)).strip()


@pytest.mark.parametrize("language", OTHERS)
def test_english_on_a_page_would_be_noticed(language):
    known = english(language, parse_words(read_tree(ROOT / "consent")))
    assert {"records", "nothing", "sent", "purpose"} <= known
    html = '<html lang="uk"><p title="x">a <code>b</code> <span lang="en">c</span> <i lang="es">e</i> d</p>'
    assert read(html) == (["x", "a", "d"], ["c"])


def test_what_is_missing_for_a_screen_reader_would_be_noticed(walked):
    html = next(iter(walked.values()))
    for pattern, put in (
        (r'<html lang="\w+"', "<html"), (r"<h1>.*?</h1>", ""), (r"<title>.*?</title>", "<title> </title>"),
        (r"</main>", '<input name="x"></main>'), (r"</main>", "<table><tr><th>x</th></tr></table></main>"),
        (r"</main>", '<a href="/"></a></main>'), (r"</main>", "<h4>x</h4></main>"),
        (r"</main>", '<i id="main"></i></main>'),
    ):  # fmt: skip
        assert faults(html) == []
        assert faults(re.sub(pattern, put, html, count=1, flags=re.DOTALL)) != [], put


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_open_to_everyone(served, addresses, browse, language):
    """For each role, in each language, light and dark, on a desk and on a telephone."""
    found, begun = [], {}
    for role, path in addresses:
        if role not in begun:
            begun[role] = browse(role, "/", partner_of(role), locale=language)
        page = begun[role]
        page.goto(served.url + path)
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((role, path, width, "wider than the screen"))
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found += [(role, path, width, scheme, wrong) for wrong in violations(page)]
    assert found == []
