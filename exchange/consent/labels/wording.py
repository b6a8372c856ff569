"""The words of markup and of attached documents, as somebody reads them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from html import unescape

_TAGS = re.compile(r"<[^>]*>")
_WITHIN_WORDS = re.compile(
    r"</?(?:a|abbr|b|big|em|font|i|mark|s|small|span|strong|sub|sup|tt|u)\b[^>]*>", re.IGNORECASE
)
_SHOWN = re.compile(
    r"\b(?:alt|title|summary|label|aria-label|displayName)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE
)
_CHARSET = re.compile(r"charset=\"?([\w-]+)", re.IGNORECASE)
_READABLE = ("text/", "application/xml", "application/xhtml+xml", "application/hl7-cda+xml")
_MARKUP = ("xml", "html")


def words_of_markup(markup: str) -> Iterator[str]:
    """A tag parts two words, or stands within one (`H<b>I</b>V`): both are read, and what attributes show."""
    yield unescape(_TAGS.sub(" ", markup))
    whole = _WITHIN_WORDS.sub("", markup)
    if whole != markup:
        yield unescape(_TAGS.sub(" ", whole))
    for quoted in _SHOWN.findall(markup):
        yield from (unescape(text) for text in quoted if text)


def words_of_document(data: str, kind: str) -> list[str] | None:
    """Words of what is attached in base64, None where nobody here can read it.

    What stands between `<` and `>` of a text without markup are words like any other.
    """
    if not kind.startswith(_READABLE):
        return None
    try:
        text = _decoded(base64.b64decode(data, validate=False), kind)
    except (binascii.Error, ValueError):
        return None
    if text is None:
        return None
    whole = [] if any(name in kind for name in _MARKUP) else [text]
    return [*whole, *words_of_markup(text)] if "<" in text else [unescape(text)]


def _decoded(data: bytes, kind: str) -> str | None:
    named = _CHARSET.search(kind)
    for charset in (*([named[1]] if named else []), "utf-8", "latin-1"):
        try:
            text = data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
        if "\0" not in text:
            return text
    return None
