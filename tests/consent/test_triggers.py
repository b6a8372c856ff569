"""A pattern that is not looked for would have found nothing."""

import re

import pytest

from exchange.consent.rules.triggers import triggers
from tests.consent.test_gold import rows

ROOTS = ("Pt: {} since May", "a{}s")


@pytest.fixture(scope="module")
def texts():
    words = {row["text"] for row in rows()} - {""}
    cases = [case(word) for word in words for case in (str, str.upper, str.title)]
    odd = [word.replace("i", "\u0131").replace("s", "\u017f") for word in words]
    return [root.format(one) for one in (*cases, *odd) for root in ROOTS]


def test_every_pattern_that_finds_something_in_a_text_is_searched_in_it(rules, texts):
    lists = rules.lists
    searched = []
    for text in texts:
        told = lists.triggers.of(text)
        for number, pattern in enumerate(lists.patterns):
            if number not in told:
                assert not pattern.regex.search(text), (pattern.hit.row, text)
        searched += [len(told)] if text.isascii() else []
    assert sum(searched) / len(searched) < len(lists.patterns) / 20


@pytest.mark.parametrize(
    ("pattern", "text", "searched"),
    [
        (r"\bsuicid\w*", "SUICIDAL", True),
        (r"\bsuicid\w*", "suicide", True),
        (r"\bsuicid\w*", "homicide", False),
        (r"man(?:ic|ia)", "mania", True),
        (r"man(?:ic|ia)", "manual", False),
        (r"pre-?natal", "prenatal", True),
        (r"(?:one|two|\d+) weeks", "7 weeks", True),
        (r"(?:one|two|\d+) weeks", "7 days", False),
        (r"(?:cut|h[iu]t)+ing", "huting", True),
        (r"(?:cut|h[iu]t)+ing", "hating", False),
        (r"(?:abcdef\w)*ghij", "ghij", True),
        (r"x?y?", "nothing of it", True),
        (r"[^a-z]{3}", "nothing of it", True),
        (r"\w+", "nothing of it", True),
        (r"a{4}bcd|..", "nothing of it", True),
        (r"(?i:abcd)?efgh", "EFGH", True),
        (r"(?<!not )abused\b(?! by)", "abused", True),
        (r"(?-i:HIV)", "hiv", True),
        (r"HIV", "h\u0131v", True),
    ],
)
def test_what_a_pattern_needs_is_looked_for(pattern, text, searched):
    assert (0 in triggers([pattern]).of(text)) is searched
    assert searched or not re.search(pattern, text, re.IGNORECASE)
