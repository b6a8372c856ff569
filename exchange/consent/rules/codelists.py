"""`consent/labels/*.csv`: which codes and words reveal what, compiled for fast look-up."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from itertools import permutations
from typing import Literal, cast

from exchange.consent.rules.triggers import Triggers, triggers
from exchange.consent.rules.vocabulary import CodeSystem, Vocabulary
from exchange.model.errors import ContentError
from exchange.model.records import Files

COLUMNS = ("system", "match", "value", "label", "strength", "from", "to", "source", "mark")
ANY_SYSTEM = "*"

Strength = Literal["strong", "weak", "context", "relative", "never", "unless-patch"]
"""`weak` labels and asks for review, `context` needs a second signal, `relative` is about somebody else,
`never` takes codes out of a broader row; `unless-patch` is strong, but weak of a drug through the skin."""

_STRENGTHS = ("strong", "weak", "context", "relative", "never", "unless-patch")
_MATCHES = ("exact", "prefix", "display", "words")
_MARKS = ("V", "V2", "R", "ours")
STEWARD = re.compile(r"^# steward: \S[^;\n]*; review by (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
COUNTED = re.compile(r"^# rows: (\d+)$", re.MULTILINE)
# A negation reaches a few words on, within its sentence, up to a word that turns it; a list goes on after
# `denies`, while after `no` a comma begins something else. What is in doubt is not negated.
_TURNS = (
    r"but|however|admits?|reports?|has|had|have|with|despite|due|because|since|only|until|stop\w*|quit\w*"
    r"|pero|aunque|admite|refiere consumo|tiene|con|debido|solo|але|однак|проте|має|через|тільки|лише|визнає"
)
_NEGATED = re.compile(
    r"\b(?:(?:no|not|without|never|sin|nunca|не|немає|без|ніколи|відсутн\w+)[^\w.;:!?,()\n]+"
    rf"(?:(?!(?:{_TURNS})\b)\w+[^\w.;:!?,()\n]+){{0,4}}"
    r"|(?:denies|denied|negative for|niega|заперечу\w+)[^\w.;:!?()\n]+"
    rf"(?:(?!(?:{_TURNS})\b)\w+[^\w.;:!?()\n]+){{0,4}})\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One row that matched; `row` is file and line, never what the record said."""

    label: str
    strength: Strength
    row: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    negatable: bool
    hit: Hit


@dataclass(frozen=True, slots=True, eq=False)
class CodeLists:
    """Rows by system: whole codes, prefixes by length; patterns over displays and free text.

    `systems` by all their names, as `normal_system` spells them.
    """

    systems: dict[str, CodeSystem]
    exact: dict[tuple[str, str], tuple[Hit, ...]]
    prefixes: dict[str, dict[int, dict[str, tuple[Hit, ...]]]]
    patterns: tuple[_Pattern, ...]
    triggers: Triggers

    def system_called(self, name: str) -> CodeSystem | None:
        """The code system, by any of its names however spelt."""
        return self.systems.get(normal_system(name))

    def of_code(self, system: str, code: str) -> tuple[Hit, ...] | None:
        """What the code reveals; None when it has not the shape of a code of its system."""
        return _of_code(self, system, code)

    def would_know(self, system: str, code: str) -> bool:
        """Whether a code that no row is about reveals nothing: of some systems only a part is listed."""
        known = self.system_called(system)
        if known is None or not known.listed_in_part:
            return known is not None
        return (known.uri, normal_code(code, known)) in self.exact

    def of_text(self, text: str) -> tuple[Hit, ...]:
        """What words in the text reveal, leaving out what they negate."""
        return _of_text(self, text)


def normal_code(code: str, system: CodeSystem) -> str:
    """Trimmed, upper case, without the dots ICD writes."""
    trimmed = code.strip().upper()
    return trimmed.replace(".", "") if system.dotless else trimmed


@lru_cache(maxsize=4096)
def normal_system(name: str) -> str:
    """A system's name however it is spelt; an edition of SNOMED CT is SNOMED CT.

    >>> normal_system(" HTTPS://hl7.org/fhir/sid/icd-10-cm/")
    'http://hl7.org/fhir/sid/icd-10-cm'
    >>> normal_system("2.16.840.1.113883.6.90") == normal_system("urn:oid:2.16.840.1.113883.6.90")
    True
    """
    plain = name.strip().lower().rstrip("/").replace("https://", "http://", 1).removeprefix("urn:oid:")
    return _SNOMED if plain.startswith(f"{_SNOMED}/") else plain


_SNOMED = "http://snomed.info/sct"


@lru_cache(maxsize=1 << 17)
def _of_code(lists: CodeLists, system: str, code: str) -> tuple[Hit, ...] | None:
    known = lists.system_called(system)
    if known is None:
        return ()
    spelled = normal_code(code, known)
    if known.shape and not re.fullmatch(known.shape, spelled):
        return None
    exact = lists.exact.get((known.uri, spelled))
    if exact is not None:
        return tuple(hit for hit in exact if hit.strength != "never")
    return tuple(_longest(lists.prefixes.get(known.uri, {}), spelled))


def _longest(prefixes: dict[int, dict[str, tuple[Hit, ...]]], code: str) -> Iterator[Hit]:
    """Hits of every prefix, from the longest; `never` hides the shorter ones."""
    for length in sorted(prefixes, reverse=True):
        hits = prefixes[length].get(code[:length], ()) if len(code) >= length else ()
        if any(hit.strength == "never" for hit in hits):
            return
        yield from hits


@lru_cache(maxsize=1 << 17)
def _of_text(lists: CodeLists, text: str) -> tuple[Hit, ...]:
    spellings = _spellings(text)
    one_line = [one.replace("\n", " ") for one in spellings]
    told = sorted(set().union(*map(lists.triggers.of, one_line)))
    return tuple(
        lists.patterns[number].hit
        for number in told
        if any(_says(lists.patterns[number], *ways) for ways in zip(spellings, one_line, strict=True))
    )


def _says(pattern: _Pattern, text: str, one_line: str) -> bool:
    """Words go on over the end of a line; what they are negated by does not."""
    return any(
        not (pattern.negatable and _NEGATED.search(text[: found.start()]))
        for found in pattern.regex.finditer(one_line)
    )


_BLANKS = re.compile(r"\s{2,}|[^\S \n]")
_DASHES = dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")


def _spellings(text: str) -> tuple[str, ...]:
    """The text with one blank between words, and letters without accents, width and signs nobody sees.

    A sign that is not seen may stand within a word or between two: then it is read both ways.
    """
    if text.isascii():
        return (_BLANKS.sub(_blank, text),)
    bare = _bare(text)
    seen = [c for c in bare if unicodedata.category(c) != "Cf"]
    found = ["".join(seen)]
    if len(seen) < len(bare):
        found.append("".join(" " if unicodedata.category(c) == "Cf" else c for c in bare))
    found = [_BLANKS.sub(_blank, one.translate(_DASHES)) for one in found]
    return tuple(dict.fromkeys(way for one in found for way in (one, *_of_one_script(one))))


# Letters of Cyrillic and of Greek that look like Latin ones.
_LOOKS = {
    **dict(
        zip("АВЕКМНОРСТУХІЈЅѴԚԜаекморстухіјѕѵһԁԛԝвн", "ABEKMHOPCTYXIJSVQWaekmopctyxijsvhdqwbh", strict=True)
    ),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχ", "ABEZHIKMNOPTYXaeikvoptux", strict=True)),
}
_TO_LATIN = str.maketrans(_LOOKS)
_TO_CYRILLIC = str.maketrans({latin: letter for letter, latin in _LOOKS.items() if letter >= "\u0400"})
_SCRIPTS = ("A-Za-z", "\u0370-\u03ff", "\u0400-\u052f")
_MIXED = re.compile("|".join(f"[{one}][{other}]" for one, other in permutations(_SCRIPTS, 2)))
_WORD = re.compile(r"\w+")


def _of_one_script(text: str) -> tuple[str, ...]:
    """The text with its words of several scripts in one: letters that look alike are not the same.

    >>> _of_one_script("\N{CYRILLIC CAPITAL LETTER EN}IV")[0]
    'HIV'
    >>> _of_one_script("HIV")
    ()
    """
    if not _MIXED.search(text):
        return ()
    return tuple(_WORD.sub(partial(_in_script, to), text) for to in (_TO_LATIN, _TO_CYRILLIC))


def _in_script(letters: dict[int, str], word: re.Match[str]) -> str:
    return word[0].translate(letters) if _MIXED.search(word[0]) else word[0]


def _blank(found: re.Match[str]) -> str:
    return "\n" if _LINE.search(found[0]) else " "


_LINE = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")


def _bare(text: str) -> str:
    """Letters without accents and width (NFKD)."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def parse_code_lists(files: Files, vocabulary: Vocabulary) -> CodeLists:
    """Raises ContentError for a row that could never match or matches what it must not."""
    systems = {name: system for system in vocabulary.file.code_systems for name in (system.uri, *system.also)}
    exact: dict[tuple[str, str], tuple[Hit, ...]] = {}
    prefixes: dict[str, dict[int, dict[str, tuple[Hit, ...]]]] = {}
    patterns: list[_Pattern] = []
    for name in sorted(file for file in files if file.startswith("labels/")):
        _kept(name, files[name])
        for line, row in _rows(name, files[name]):
            hit = _hit(row, vocabulary, name, line)
            if row["match"] in ("display", "words"):
                patterns.append(_Pattern(_regex(row["value"], name, line), row["match"] == "words", hit))
                continue
            uri, value = _code(row, systems, name, line)
            if row["match"] == "exact":
                exact[uri, value] = (*exact.get((uri, value), ()), hit)
            else:
                of_length = prefixes.setdefault(uri, {}).setdefault(len(value), {})
                of_length[value] = (*of_length.get(value, ()), hit)
    spelt = {normal_system(name): system for name, system in systems.items()}
    found = triggers([pattern.regex.pattern for pattern in patterns])
    return CodeLists(spelt, exact, prefixes, tuple(patterns), found)


def _kept(name: str, text: str) -> None:
    """A list nobody looks after rots: its head names a steward and the day it must be looked at again."""
    if not STEWARD.search(text):
        raise ContentError("write `# steward: <who>; review by <date>` above the columns", file=name, line=1)


def rows_of(text: str) -> int:
    """How many rows a list has below its columns."""
    return len([line for line in text.splitlines() if line.strip() and not line.startswith("#")]) - 1


def _rows(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    skipped = len(text.splitlines()) - len(lines)
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ContentError("the columns are " + ", ".join(COLUMNS), file=name, line=skipped + 1)
    for row in reader:
        line = skipped + reader.line_num
        if None in row or None in row.values():
            raise ContentError("a row with a wrong number of columns", file=name, line=line)
        yield line, row


def _hit(row: dict[str, str], vocabulary: Vocabulary, name: str, line: int) -> Hit:
    _one_of(row["label"], vocabulary.atoms | vocabulary.marks, "label", name, line)
    _one_of(row["strength"], _STRENGTHS, "strength", name, line)
    _one_of(row["match"], _MATCHES, "match", name, line)
    _one_of(row["mark"], _MARKS, "mark", name, line)
    if not row["source"]:
        raise ContentError("every row names its source", file=name, line=line, field="source")
    for column in ("from", "to"):
        try:
            date.fromisoformat(row[column] or "2000-01-01")
        except ValueError:
            raise ContentError("a date like 2026-01-31", file=name, line=line, field=column) from None
    return Hit(row["label"], cast("Strength", row["strength"]), f"{name}:{line}")


def _code(row: dict[str, str], systems: dict[str, CodeSystem], name: str, line: int) -> tuple[str, str]:
    system = systems.get(row["system"])
    if system is None:
        raise ContentError("unknown code system", file=name, line=line, field=row["system"], valid=systems)
    value = row["value"]
    if value != normal_code(value, system):
        raise ContentError(
            "write the code without dots and blanks, in capitals", file=name, line=line, field="value"
        )
    misshapen = system.shape and row["match"] == "exact" and not re.fullmatch(system.shape, value)
    if "E+" in value or misshapen or (system.dotless and not value.isalnum()):
        raise ContentError("not a code of this system", file=name, line=line, field="value")
    return system.uri, value


def _regex(value: str, name: str, line: int) -> re.Pattern[str]:
    try:
        return re.compile(_bare(value), re.IGNORECASE)
    except re.error as error:
        raise ContentError(
            f"not a regular expression: {error}", file=name, line=line, field="value"
        ) from None


def _one_of(word: str, valid: Iterable[str], column: str, name: str, line: int) -> None:
    if word not in set(valid):
        raise ContentError("unknown word", file=name, line=line, field=f"{column}.{word}", valid=valid)
