"""The content's own words in other languages, by their English.

`consent/words.csv` has titles of rules, promises, labels, obligations; `consent/case_words.csv` what cases
are called. Whoever changes a text changes the key: an outdated translation is shown to nobody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from exchange.model.errors import ContentError
from exchange.model.records import Files

WORDS = ("words.csv", "case_words.csv")


def parse_words(files: Files) -> dict[str, Mapping[str, str]]:
    """English to translation, by language; nothing without the files. Raises ContentError naming the line."""
    found: dict[str, Mapping[str, str]] = {}
    for name in WORDS:
        for language, words in _parse(name, files.get(name, "en\n")).items():
            found[language] = {**words, **found.get(language, {})}
    return found


def _parse(name: str, text: str) -> dict[str, Mapping[str, str]]:
    file = f"consent/{name}"
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        head, *lines = [(rows.line_num, row) for row in rows] or [(1, [])]
    except csv.Error as error:
        raise ContentError(f"not CSV: {error}", file=file, line=rows.line_num) from None
    languages = head[1][1:]
    if head[1][:1] != ["en"] or len(set(languages)) != len(languages):
        problem = "begins with a column of English texts, and has one of each other language"
        raise ContentError(problem, file=file, line=1, field="en")
    seen: set[str] = set()
    for line, row in lines:
        if len(row) != len(head[1]) or not all(row) or row[0] in seen:
            problem = f"needs {len(head[1])} texts, none empty, the English one once"
            raise ContentError(problem, file=file, line=line)
        seen.add(row[0])
    return {
        language: {row[0]: row[column] for _, row in lines} for column, language in enumerate(languages, 1)
    }
