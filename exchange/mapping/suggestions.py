"""Which target an unmapped code most likely means: similarity of words with what the maps know already.

Works offline and from the content alone: the code is compared with the targets of the same code map and with
every source code that reaches them, by words, synonyms (`_shared/synonyms.csv`) and letters.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from rapidfuzz import fuzz

from exchange.mapping.codes import CodeMap, Target
from exchange.model.records import Files

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALONE = 0.55
"""How much a likeness of letters counts beside equal words."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A target with its likeness from 0 to 100."""

    system: str
    code: str
    display: str
    score: int


def read_synonyms(files: Files) -> Mapping[str, frozenset[str]]:
    """Words by word from `_shared/synonyms.csv`: each line lists words that mean the same."""
    groups: dict[str, frozenset[str]] = {}
    for row in csv.reader(io.StringIO(files.get("_shared/synonyms.csv", ""))):
        words = frozenset(word.strip().lower() for word in row if word.strip())
        for word in words:
            groups[word] = groups.get(word, frozenset()) | words
    return groups


def suggest(
    code: str, code_map: CodeMap, synonyms: Mapping[str, frozenset[str]], count: int = 5
) -> list[Suggestion]:
    """The likeliest targets of the map first; a target no word of which is alike is left out."""
    best: dict[tuple[str, str], Suggestion] = {}
    for source, target in _targets(code_map):
        names = (target.code, target.display, source)
        score = round(max(_likeness(code, name, synonyms) for name in names))
        known = best.get((target.system, target.code))
        if score and (known is None or score > known.score):
            best[target.system, target.code] = Suggestion(target.system, target.code, target.display, score)
    return sorted(best.values(), key=lambda found: (-found.score, found.system, found.code))[:count]


def _targets(code_map: CodeMap) -> Iterator[tuple[str, Target]]:
    for source, targets in code_map.rows.items():
        for target in targets:
            if target.code:
                yield source, target


def _likeness(one: str, other: str, synonyms: Mapping[str, frozenset[str]]) -> float:
    """0 to 100: equal words and synonyms first, then letters; an initial is like a word that begins so."""
    ours, theirs = _words(one), _words(other)
    if not ours:
        return 0.0
    if ours == theirs:
        return 100.0
    shared = sum(any(_same(word, each, synonyms) for each in theirs) for word in ours)
    words = 200.0 * shared / (len(ours) + len(theirs))
    letters = fuzz.token_sort_ratio(" ".join(ours), " ".join(theirs))
    begins = 60.0 if "".join(theirs).startswith("".join(ours)) else 0.0
    return max(min(words, 99.0), letters * _ALONE, begins)


def _same(one: str, other: str, synonyms: Mapping[str, frozenset[str]]) -> bool:
    return other in synonyms.get(one, ()) or fuzz.ratio(one, other) >= 85


def _words(text: str) -> list[str]:
    # An accent cut a word in two: `Asiático` was `Asi` and `tico`.
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return [word.lower() for word in _WORD.findall(bare)]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the true target is the first, among three, among five, of `asked` held-back codes."""

    asked: int
    first: float
    of_three: float
    of_five: float


def measure(code_maps: Iterable[CodeMap], synonyms: Mapping[str, frozenset[str]], every: int = 5) -> Accuracy:
    """Holds back every n-th row of each map whose target stays known by another row, and asks for it.

    What differs from a held-back code in its letters' case or accents alone is held back with it.
    """
    ranks = [
        rank
        for code_map in sorted(code_maps, key=lambda m: m.name)
        for rank in _ranks(code_map, synonyms, every)
    ]
    share = [sum(rank <= most for rank in ranks) / len(ranks) if ranks else 0.0 for most in (1, 3, 5)]
    return Accuracy(len(ranks), *(round(part, 3) for part in share))


def _ranks(code_map: CodeMap, synonyms: Mapping[str, frozenset[str]], every: int) -> Iterator[float]:
    """The place of the true target of each held-back code; infinite when it is not suggested."""
    for part in range(every):
        held = [
            code
            for number, code in enumerate(sorted(code_map.rows))
            if number % every == part and code != "*"
        ]
        spelt = {tuple(_words(code)) for code in held} - {()}
        rest = {
            code: rows
            for code, rows in code_map.rows.items()
            if code not in held and tuple(_words(code)) not in spelt
        }
        left = CodeMap(code_map.name, rest, code_map.dated)
        known = {(target.system, target.code) for _, target in _targets(left)}
        for code in held:
            wanted = {(row.system, row.code) for row in code_map.rows[code]} & known
            if wanted:
                yield _rank(suggest(code, left, synonyms), wanted)


def _rank(found: Sequence[Suggestion], wanted: set[tuple[str, str]]) -> float:
    places = [place for place, one in enumerate(found, start=1) if (one.system, one.code) in wanted]
    return min(places, default=inf)
