"""Each person's main task by the keyboard alone: every focus is seen, and nothing holds it."""

from __future__ import annotations

import re

import pytest

_AT = (
    "(() => { const e = document.activeElement, s = getComputedStyle(e);"
    " const said = e.innerText || e.name || e.getAttribute('aria-label') || e.textContent || '';"
    " return [e.tagName, said.trim(), s.outlineStyle]; })()"
)
# A way: text typed is told from an element to reach by `=`; what is reached is pressed with Enter.
WAYS = {
    "match-steward": (
        "uk", None,
        ("A:^Зіставлення$", r"A:^\d+-\d+$", "TEXTAREA:reason=перевірено", "BUTTON:Дві особи",
         "BUTTON:^Скасувати"),
        "Вирішено",
    ),
    "data-engineer": ("en", None, ("A:^Exchange$", "A:^Elm", "A:^1$", "a:published", r"A:^\d+$"), "Record"),
    "privacy-officer": (
        "es", None,
        ("A:^Privacidad$", "INPUT:words=Harding", "A:Harding", r"A:^\d+ de \d+$"),
        r"\(TREAT\)",
    ),
    "partner": (
        "en", "elm_clinic",
        ("A:^Our organization$", "A:^Try a query$", "INPUT:target=", "BUTTON:^Ask$"),
        "Try a query",
    ),
    "coalition": ("en", None, ("A:^Coalition$", "A:^Records contributed$", "BUTTON:Українська"), "Коаліція"),
}  # fmt: skip


def _tab(page, tag: str, text: str) -> None:
    """On to the next such element, whose focus is seen; it is reached within a hundred keys."""
    for _ in range(100):
        page.keyboard.press("Tab")
        found, words, outline = page.evaluate(_AT)
        if found == tag and re.search(text, words):
            assert outline == "solid", words
            return
    raise AssertionError(f"{tag} {text} is not reached by the keyboard")


@pytest.mark.parametrize(
    "role", [role if role == "match-steward" else pytest.param(role, marks=pytest.mark.slow) for role in WAYS]
)
def test_a_task_is_done_by_the_keyboard_alone(browse, role):
    language, participant, way, heading = WAYS[role]
    page = browse(role, "/", participant, locale=language)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.reload()
    for step in way:
        tag, _colon, text = step.partition(":")
        wanted, typed, words = text.partition("=")
        _tab(page, tag, wanted)
        page.keyboard.type(words)
        if tag != "TEXTAREA" and not (typed and not words):
            with page.expect_navigation():
                page.keyboard.press("Enter")
    assert re.search(heading, page.locator("h1").inner_text())


@pytest.mark.slow
def test_nothing_holds_the_focus(browse):
    """Around once: after the last element of a page the first comes again."""
    page = browse("data-engineer", "/partners")
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.className"))
    assert seen.count("skip") >= 2
