"""`consent/words.csv`: titles of rules, promises, labels, obligations in other languages, by their English.

Whoever changes a title changes the key: an outdated translation is shown to nobody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from exchange.model.errors import ContentError
from exchange.model.records import Files

WORDS = "words.csv"


def parse_words(files: Files) -> dict[str, Mapping[str, str]]:
    """English to translation, by language; nothing without the file. Raises ContentError naming the line."""
    rows = csv.reader(io.StringIO(files.get(WORDS, "en\n")), strict=True)
    head = next(rows, [])
    if head[:1] != ["en"]:
        raise ContentError("begins with a column of English titles", file=f"consent/{WORDS}", field="en")
    found: dict[str, dict[str, str]] = {language: {} for language in head[1:]}
    for row in rows:
        if len(row) != len(head) or not all(row) or row[0] in next(iter(found.values()), {}):
            raise ContentError(
                f"needs {len(head)} texts, none empty, the English one once",
                file=f"consent/{WORDS}",
                line=rows.line_num,
            )
        for language, text in zip(head[1:], row[1:], strict=True):
            found[language][row[0]] = text
    return dict(found)
