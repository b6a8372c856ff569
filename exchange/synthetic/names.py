"""Names from Faker's locales, and what happens to them on the way into another script or a form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from faker import Faker

from exchange.synthetic.tables import rows

LOCALES = {
    "english": "en_US",
    "spanish": "es_MX",
    "ukrainian": "uk_UA",
    "polish": "pl_PL",
    "vietnamese": "vi_VN",
    "yoruba": "yo_NG",
}


@dataclass(frozen=True, slots=True)
class Pool:
    """The names one locale offers."""

    male: tuple[str, ...]
    female: tuple[str, ...]
    family: tuple[str, ...]


@cache
def pool(heritage: str) -> Pool:
    """Names of a heritage (a key of LOCALES), each once, in the locale's order."""
    provider = next(p for p in Faker(LOCALES[heritage]).providers if hasattr(p, "first_names_female"))
    family = max(
        (getattr(provider, name, ()) for name in ("last_names_male", "unisex_last_names", "last_names")),
        key=len,
    )
    return Pool(
        male=_plain(provider.first_names_male),
        female=_plain(provider.first_names_female),
        family=_plain(family),
    )


def _plain(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if " " not in name))


def given(rng: Random, heritage: str, sex: str) -> str:
    """A given name in the heritage's own script."""
    names = pool(heritage)
    return _frequent(rng, names.female if sex == "F" else names.male)


def family(rng: Random, heritage: str) -> tuple[str, ...]:
    """A family name; two of them in Spanish-speaking families."""
    names = pool(heritage).family
    first = _frequent(rng, names)
    return (first, _frequent(rng, names)) if heritage == "spanish" else (first,)


def _frequent(rng: Random, names: Sequence[str]) -> str:
    # Some names are borne by many: the first of a list come up several times as often as the last.
    return names[int(len(names) * rng.random() ** 1.6)]


def official_latin(word: str) -> str:
    """Ukrainian to Latin by the national table of 2010.

    >>> official_latin("Згурська"), official_latin("Юлія")
    ('Zghurska', 'Yuliia')
    """
    if "-" in word:
        return "-".join(map(official_latin, word.split("-")))
    first, rest = word[:1].lower(), word[1:].lower()
    letters = [
        _letters("official_initial").get(first, first),
        *(_letters("official").get(c, c) for c in rest),
    ]
    text = "".join(letters)
    # The one exception of the table: зг is zgh, so that it is not read as ж.
    return (text.replace("zh", "zgh") if "зг" in word.lower() else text).capitalize()


def other_latin(word: str) -> str:
    """Ukrainian to Latin the other way people meet it: as a clerk hears it, or as on an older passport.

    >>> other_latin("Олександр"), other_latin("Григоренко"), other_latin("Довгий")
    ('Aleksandr', 'Grigorenko', 'Dovgiy')
    """
    heard = "".join(_letters("by_ear").get(letter, letter) for letter in word.lower())
    return _variants().get(word) or heard.title()


@cache
def _letters(column: str) -> dict[str, str]:
    return {row["cyrillic"]: row[column] for row in rows("ukrainian_letters")}


@cache
def _variants() -> dict[str, str]:
    return {row["cyrillic"]: row["latin"] for row in rows("ukrainian_variants")}


def without_marks(word: str) -> str:
    """A word without its diacritical marks.

    >>> without_marks("Nguyễn"), without_marks("Łukasz")
    ('Nguyen', 'Lukasz')
    """
    plain = word.replace("ł", "l").replace("Ł", "L").replace("đ", "d").replace("Đ", "D")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


def typing_slip(rng: Random, word: str) -> str:
    """The word with one slip of the fingers: a letter doubled, dropped, changed or two swapped."""
    if len(word) < 4:
        return word + word[-1]
    at = rng.randrange(1, len(word) - 1)
    slips = (
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1 :],
        word[:at] + rng.choice("aeiourstnl") + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    return rng.choice(slips)
