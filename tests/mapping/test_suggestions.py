"""Suggestions for codes that no map answers: what makes names alike, in which order, how good that is."""

from __future__ import annotations

import pytest

from exchange.mapping import suggestions
from exchange.mapping.codes import CodeMap, Target
from exchange.mapping.suggestions import Accuracy, Suggestion

NONE: dict[str, frozenset[str]] = {}


def map_of(*rows: tuple[str, str, str], system: str = "urn:x", name: str = "map") -> CodeMap:
    """Rows of source code, target code and display; `` as target is a gap that is known."""
    found: dict[str, tuple[Target, ...]] = {}
    for source, code, display in rows:
        found[source] = (*found.get(source, ()), Target(system, code, display, "", "", ""))
    return CodeMap(name, found, False)


def told(code: str, *rows: tuple[str, str, str], synonyms: dict[str, frozenset[str]] = NONE) -> list[object]:
    return [(each.code, each.score) for each in suggestions.suggest(code, map_of(*rows), synonyms)]


@pytest.mark.parametrize(
    ("code", "target", "display", "score"),
    [
        ("FinalReport", "f", "final report", 100),  # the same words, however they are written
        ("HIVTest", "t", "hiv test", 100),
        ("level2", "t", "Level 2", 100),
        ("Asiático", "t", "ASIATICO", 100),  # an accent cuts no word in two
        ("level2", "q", "Level 3", 50),
        ("aa bb cc dd ee ff gg", "q", "aa bb cc dd ee ff gg hh", 93),
        ("report final", "f", "final report", 99),  # the same words in another order: never quite the same
        ("final", "f", "final report", 67),  # one word of two: twice the shared by all
        ("final results", "f", "final report", 50),
        ("femal", "x", "female", 99),  # misspelt: letters alike from 85 on
        ("fenale", "x", "female", 46),  # 83: the likeness of letters at 0.55
        ("abcdefx", "q", "abcdefg", 99),  # 85.7
        ("abcdefghijklmnopqxyz", "q", "abcdefghijklmnopqrst", 99),  # 85 to the point
        ("abcdefghijkxy", "q", "abcdefghijklm", 47),  # 84.6
        ("fenale xopy", "q", "female zobw", 35),  # of several words too
        ("finalrep", "q", "final report", 60),
        ("fin alrep", "q", "final report", 60),
        ("unk", "x", "unknown", 60),  # a beginning
        ("known", "x", "unknown", 46),  # an end is none
        ("zzz", "q", "female", 0),
        ("---", "q", "female", 0),  # no word at all
        ("x", "---", "", 0),
    ],
)
def test_likeness_is_of_words_then_of_letters(code: str, target: str, display: str, score: int) -> None:
    found = told(code, ("Q9", target, display))
    assert found == ([(target, score)] if score else [])


def test_synonyms_are_the_same_word() -> None:
    synonyms = {"woman": frozenset({"woman", "female"})}
    assert told("a woman", ("Q9", "f", "a female"), synonyms=synonyms) == [("f", 99)]
    assert told("woman", ("Q9", "f", "female"), synonyms=synonyms) == [("f", 99)]
    assert told("woman", ("Q9", "f", "female"))[0][1] < 99


def test_the_code_its_display_and_every_source_of_a_target_are_compared() -> None:
    assert told("alpha", ("Q1", "alpha", "beta"))[0] == ("alpha", 100)
    assert told("beta", ("Q1", "alpha", "beta"))[0] == ("alpha", 100)
    assert told("Q1", ("Q1", "alpha", "beta"))[0] == ("alpha", 100)
    assert told("gamma", ("Q1", "alpha", "beta"), ("gamma", "alpha", "beta")) == [("alpha", 100)]
    assert told("gamma", ("gamma", "alpha", "beta"), ("Q1", "alpha", "beta")) == [("alpha", 100)]


def test_gaps_and_the_row_for_all_others_suggest_nothing_by_themselves() -> None:
    assert told("alpha", ("alpha", "", "")) == []
    assert told("---", ("*", "beta", "")) == []
    assert told("beta", ("*", "beta", "")) == [("beta", 100)]


def test_the_likeliest_come_first_and_equals_by_system_and_code() -> None:
    rows = [(f"Q{number}", f"c{number}", "final report") for number in (3, 1, 2)]
    assert told("final", *rows) == [("c1", 67), ("c2", 67), ("c3", 67)]
    both = CodeMap(
        "map",
        {
            "Q1": (Target("urn:b", "1", "final report", "", "", ""),),
            "Q2": (Target("urn:a", "2", "final report", "", "", ""),),
            "Q3": (Target("urn:c", "3", "final", "", "", ""),),
        },
        False,
    )
    found = suggestions.suggest("final", both, NONE)
    assert found == [
        Suggestion("urn:c", "3", "final", 100),
        Suggestion("urn:a", "2", "final report", 67),
        Suggestion("urn:b", "1", "final report", 67),
    ]


def test_the_first_of_equal_names_of_a_target_is_shown() -> None:
    found = suggestions.suggest("final", map_of(("Q1", "f", "final one"), ("Q2", "f", "final two")), NONE)
    assert [each.display for each in found] == ["final one"]


def test_as_many_as_wanted_are_told_five_unless_said() -> None:
    rows = [(f"Q{number}", f"c{number}", "final") for number in range(7)]
    assert len(told("final", *rows)) == 5
    assert len(suggestions.suggest("final", map_of(*rows), NONE, 2)) == 2


def test_synonyms_are_read_from_lines_of_words() -> None:
    found = suggestions.read_synonyms({"_shared/synonyms.csv": "Female, woman ,, ,f\nf,fahrenheit\n"})
    assert found["woman"] == {"female", "woman", "f"}
    assert found["f"] == {"female", "woman", "f", "fahrenheit"}
    assert found["fahrenheit"] == {"f", "fahrenheit"}
    assert "" not in found
    assert suggestions.read_synonyms({}) == {}


def _measured(*maps: CodeMap, every: int) -> Accuracy:
    return suggestions.measure(maps, NONE, every)


def test_what_is_held_back_is_asked_for_where_another_row_still_knows_its_target() -> None:
    # Every second row is held back in turn: `alpha` and `alphas` never together.
    rows = map_of(("alpha", "1", ""), ("alphas", "1", ""), ("lonely", "2", ""), ("*", "9", ""))
    assert _measured(rows, every=2) == Accuracy(2, 1.0, 1.0, 1.0)
    assert _measured(rows, every=1) == Accuracy(0, 0.0, 0.0, 0.0)
    assert _measured(map_of(("alpha", "1", ""), ("*", "1", "")), every=2).asked == 1


@pytest.mark.parametrize(
    ("better", "first", "three", "five"),
    [(0, 1.0, 1.0, 1.0), (1, 0.5, 1.0, 1.0), (2, 0.5, 1.0, 1.0), (3, 0.5, 0.5, 1.0), (4, 0.5, 0.5, 1.0),
     (5, 0.5, 0.5, 0.5)],
)  # fmt: skip
def test_the_place_of_the_true_target_counts(better: int, first: float, three: float, five: float) -> None:
    """So many targets are more like `mark` than what still knows its own; the other row finds it first."""
    rows = [("mark", "own", ""), ("mark qq rr ss", "own", "")]
    rows += [(f"mark {'x' * (2 + number)}", f"other{number}", "") for number in range(better)]
    assert _measured(map_of(*rows), every=len(rows)) == Accuracy(2, first, three, five)


def test_of_several_targets_the_best_place_counts() -> None:
    both = ("mark", "far", ""), ("mark", "near", "")
    rows = map_of(*both, ("mark xx", "near", ""), ("mark yy zz", "far", ""))
    assert _measured(rows, every=9).first == 0.667


def test_shares_are_rounded_and_every_fifth_row_is_held_back_unless_said() -> None:
    assert suggestions.measure([], NONE) == Accuracy(0, 0.0, 0.0, 0.0)
    one = map_of(("alpha", "1", ""), ("alphas", "1", ""))
    other = map_of(("mark", "own", ""), ("mark qq rr ss", "own", ""), ("mark xx", "other", ""))
    assert suggestions.measure([one, other], NONE) == Accuracy(4, 0.75, 1.0, 1.0)
    assert suggestions.measure([one, one, other], NONE) == Accuracy(6, 0.833, 1.0, 1.0)
    # The first and the sixth are held back together, so nothing knows their target any more.
    apart = map_of(*((letter * 3, "1" if letter in "af" else letter, "") for letter in "facedb"))
    assert suggestions.measure([apart], NONE).asked == 0
    assert suggestions.measure([apart], NONE, 6).asked == 2


def test_a_code_is_not_asked_for_while_another_spelling_of_it_is_known():
    spellings = map_of(("Female", "f", "x"), ("female", "f", "x"), ("FEMALE", "f", "x"))
    assert suggestions.measure([spellings], NONE).asked == 0
