"""The languages of the console: gettext catalogues, read as text, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español", "uk": "Українська"}
_LOCALE = Path(__file__).parent / "locale"


@cache
def catalogue(language: str) -> Translations:
    """The translations of a language; English is what stands in the templates."""
    if language == "en":
        return Translations()
    with (_LOCALE / f"{language}.po").open("rb") as file:
        found = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    return Translations(compiled)


def preferred(chosen: str | None, accepted: str) -> str:
    """The language chosen before, else the first of Accept-Language that there is.

    >>> preferred(None, "pl;q=0.9, uk-UA;q=0.8, en;q=0.7"), preferred("es", "uk"), preferred("xx", "")
    ('uk', 'es', 'en')
    """
    if chosen and chosen in LANGUAGES:
        return chosen
    ranked = sorted(_ranges(accepted), key=lambda found: -found[1])
    return next((tag for tag, quality in ranked if tag in LANGUAGES and quality > 0), "en")


def _ranges(accepted: str) -> list[tuple[str, float]]:
    found = []
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.partition(";q=")
        try:
            found.append((tag.strip().split("-")[0].lower(), float(quality or 1)))
        except ValueError:
            continue
    return found
