"""The texts that are to be translated: those of the templates, and those that Python marks with `_`.

`python -m exchange.console.extract` adds what is new to the catalogues and takes out what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from exchange.console.language import LANGUAGES

_HOME = Path(__file__).parent
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n", "silent": "false"}}


def texts() -> Iterator[str | tuple[str, ...]]:
    """Every text once, a tuple of singular and plural where a number decides."""
    found = extract_from_dir(
        _HOME, method_map=_METHODS, options_map=_OPTIONS, keywords={"_": None, "ngettext": (1, 2)}
    )
    yield from dict.fromkeys(message for _, _, message, _, _ in found)


def main() -> None:
    """Brings the catalogues up to date."""
    template = Catalog()
    for text in texts():
        template.add(text)
    for language in LANGUAGES:
        if language == "en":
            continue
        path = _HOME / "locale" / f"{language}.po"
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, width=0, no_location=True, omit_header=False, sort_output=True)


if __name__ == "__main__":
    main()
