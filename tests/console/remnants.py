"""English that was left on a page in another language."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from exchange.console.extract import texts
from exchange.console.language import catalogue

_WORD = re.compile(r"[A-Za-z]{3,}")
# What stands on pages as it is: placeholders, codes in capitals, names of files, systems and accounts,
# resource types and ids of rules in brackets, a book of laws.
_AS_IT_IS = re.compile(
    r"%\(\w+\)s|\b[A-Z][A-Z0-9]+\b|urn:\S+|\S+\.(?:csv|yaml)\b|\b[\w-]+-(?:all|elm_clinic)\b"
    r"|\b[A-Z]\w+\.[a-z][\w.]+|\([A-Z]\w+\)|\([a-z0-9-]+;|Ill\. Adm\. Code"
)
_VOID = {"br", "hr", "img", "input", "link", "meta"}


class _Said(HTMLParser):
    """Texts that a reader of the page reads or hears; what is marked as code or as another language is left
    out, and kept apart where the language is English.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool, bool]] = []
        self.texts: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag, attrs):
        given, (_, within, foreign) = dict(attrs), self.open[-1] if self.open else ("", False, False)
        code = within or tag in ("code", "pre", "textarea", "style")
        foreign = foreign or (
            tag != "html" and given.get("lang") == "en" and tag not in ("button", "a", "option")
        )
        other = code or foreign or (tag != "html" and given.get("lang") is not None)
        if not other:
            self.texts += [given[k] for k in ("aria-label", "title", "placeholder", "alt") if given.get(k)]
        if tag not in _VOID:
            self.open.append((tag, other, foreign and not code))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        _, other, foreign = self.open[-1] if self.open else ("", False, False)
        if data.strip():
            (self.foreign if foreign else [] if other else self.texts).append(data.strip())


def read(html: str) -> tuple[list[str], list[str]]:
    """What stands there in the page's language, and what it says is English."""
    reader = _Said()
    reader.feed(html.replace("<wbr>", ""))
    return reader.texts, reader.foreign


def words_in(lines) -> set[str]:
    """Words of a text; codes, ids and placeholders are none."""
    return {word.lower() for line in lines for word in _WORD.findall(_AS_IT_IS.sub("", line))}


def english(language: str, content) -> set[str]:
    """Words of our English that the language does without; `content`: words of rules and cases."""
    other, marked = catalogue(language), [(one, one) if isinstance(one, str) else one for one in texts()]
    theirs = [
        other.gettext(first) if first == second else other.ngettext(first, second, 5)
        for first, second in marked
    ]
    ours = [one for both in marked for one in both]
    return words_in([*ours, *content[language]]) - words_in([*theirs, *content[language].values()])
