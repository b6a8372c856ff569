"""What cases are called has words in every language, and no words are left of what is gone."""

from __future__ import annotations

from pathlib import Path

from exchange.consent import parse_rules
from exchange.consent.classes import Context
from exchange.consent.proof.cases import read_cases
from exchange.consent.proof.tables import names, read_tables
from exchange.consent.words import parse_words
from exchange.content import read_tree

CONSENT = Path(__file__).parents[2] / "consent"


def test_every_case_is_named_in_spanish_and_ukrainian_in_case_words_csv():
    files = read_tree(CONSENT)
    people, decisions, labels = read_cases(files)
    tables = read_tables(files, Context(parse_rules(files), people))
    cases = {*(one.case for one in (*decisions, *labels)), *names(tables)}
    words, own = parse_words(files), parse_words({"case_words.csv": files["case_words.csv"]})
    for language in ("es", "uk"):
        assert cases - set(words[language]) == set()
        assert set(own[language]) - cases == set()
