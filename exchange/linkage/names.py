"""Names folded until the spellings of one name meet, whatever the script or the clerk."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

_APOSTROPHES = re.compile(r"['’ʼʹ`´]")
_CARONS = str.maketrans({"š": "sh", "č": "ch", "ž": "zh"})
_NOT_LETTERS = re.compile(r"[^a-z]+")
_REPEATED = re.compile(r"(.)\1+")

_PARTICLES = frozenset(
    {"al", "bin", "bint", "da", "das", "de", "del", "den", "der", "di", "do", "dos", "du", "e", "el"}
    | {"ibn", "la", "las", "le", "los", "san", "van", "von", "y", "zu"}
)
_SUFFIXES = {"jr": "jr", "jnr": "jr", "junior": "jr", "sr": "sr", "snr": "sr", "senior": "sr"}
_SUFFIXES |= {"ii": "ii", "nd": "ii", "iii": "iii", "rd": "iii", "iv": "iv", "th": "iv"}
_TITLES = frozenset(["dr", "mr", "mrs", "ms", "miss", "prof", "sra", "srta"])

_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"shch|sch|tsch|sh", "s"),
        (r"zh|z", "s"),
        (r"kh", "h"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"tch|ch", "č"),
        (r"ck|c|q", "k"),
        (r"x", "ks"),
        (r"w", "v"),
        (r"[yj]", "i"),
        (r"(?<=[^aeiou])h|h$", ""),
        (r"i+e", "e"),
        (r"ou", "u"),
        (r"č", "c"),
    )
)


# No one's name is longer, and comparing takes the square of the length: a text of megabytes took hours.
_LONGEST = 500


def fold(text: str) -> str:
    """Lower-case Latin letters and single spaces.

    >>> fold("Ó’Néill-Гнатюк")
    'oneill gnatyuk'
    """
    composed = unicodedata.normalize("NFC", text[:_LONGEST]).lower().translate(_CARONS)
    latin = anyascii(_APOSTROPHES.sub("", composed)).lower()
    return _NOT_LETTERS.sub(" ", _APOSTROPHES.sub("", latin)).strip()


def given_words(texts: list[str]) -> tuple[str, ...]:
    """Given names in order, titles and generations removed.

    >>> given_words(["Mary Ann", "L."])
    ('mary', 'ann', 'l')
    """
    words = fold(" ".join(texts)).split()
    return tuple(word for word in words if word not in _TITLES and word not in _SUFFIXES)


def surname_words(text: str) -> tuple[str, ...]:
    """The parts of a surname that distinguish; particles and initials go unless nothing else is there.

    >>> surname_words("de la Cruz y García M. Jr.")
    ('cruz', 'garcia')
    """
    words = [word for word in fold(text).split() if word not in _SUFFIXES and word not in _TITLES]
    telling = [word for word in words if word not in _PARTICLES and len(word) > 1]
    return tuple(telling or words)


def generation(texts: list[str]) -> str:
    """The generation a name claims, wherever it was written.

    >>> generation(["Smith, Junior"])
    'jr'
    """
    found = [_SUFFIXES[word] for word in fold(" ".join(texts)).split() if word in _SUFFIXES]
    return found[-1] if found else ""


@lru_cache(maxsize=1 << 16)
def sound(word: str) -> str:
    """What remains of a folded word when transliterations and spelling habits are taken away.

    >>> sound("yuliia") == sound("iuliya") == sound("julija")
    True
    >>> sound("gonzalez") == sound("gonzales")
    True
    """
    for pattern, replacement in _SOUNDS:
        word = pattern.sub(replacement, word)
    return _REPEATED.sub(r"\1", word)


def surname_sound(word: str) -> str:
    """As `sound`, with the Ukrainian and the Russian reading of one letter (h, g) brought together.

    >>> surname_sound("hrytsenko") == surname_sound("gritsenko")
    True
    """
    return sound(word.replace("g", "h"))
