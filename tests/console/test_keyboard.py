"""A pair is compared, decided and taken back by the keyboard alone, in Ukrainian."""

from __future__ import annotations

import re

_AT = (
    "(() => { const e = document.activeElement, s = getComputedStyle(e);"
    " return [e.tagName, (e.innerText || e.name || '').trim(), s.outlineStyle]; })()"
)


def _tab(page, tag: str, text: str) -> None:
    """On to the next such element, whose focus is seen; it is reached within a hundred keys."""
    for _ in range(100):
        page.keyboard.press("Tab")
        found, words, outline = page.evaluate(_AT)
        if found == tag and re.search(text, words):
            assert outline == "solid", words
            return
    raise AssertionError(f"{tag} {text} is not reached by the keyboard")


def _enter(page, heading: str) -> None:
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name=heading).wait_for()


def test_a_pair_is_decided_and_taken_back_by_the_keyboard_alone(browse):
    page = browse("match-steward", "/", locale="uk")
    _tab(page, "A", "Перейти до змісту")
    _tab(page, "A", "^Зіставлення$")
    _enter(page, "Можливі збіги")
    _tab(page, "A", r"^\d+-\d+$")
    _enter(page, "Чи це одна особа?")
    _tab(page, "TEXTAREA", "reason")
    page.keyboard.type("перевірено")
    _tab(page, "BUTTON", "Дві особи")
    _enter(page, "Вирішено")
    _tab(page, "BUTTON", "^Скасувати")
    _enter(page, "Вирішено")
