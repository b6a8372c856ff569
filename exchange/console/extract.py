"""The texts that are to be translated: those of the templates, and those that Python marks with `_` or `say`.

`python -m exchange.console.extract` adds what is new to the catalogues and takes out what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from exchange.console.language import LANGUAGES

_HOME = Path(__file__).parent
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
# Sentences that rules are told in, here and on the command line.
_SAYING = ("consent/proof/words.py", "consent/proof/archetypes.py")
_HEADER = """\
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: {}\\n"
"Plural-Forms: {}\\n"

"""
_OPTIONS = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n", "silent": "false"}}


def texts() -> Iterator[str | tuple[str, ...]]:
    """Every text once, a tuple of singular and plural where a number decides."""
    found = extract_from_dir(
        _HOME, method_map=_METHODS, options_map=_OPTIONS, keywords={"_": None, "ngettext": (1, 2)}
    )
    marked = [message for _, _, message, _, _ in found]
    for file in _SAYING:
        said = extract_from_file("python", str(_HOME.parent / file), keywords={"say": None})
        marked += [message for _, message, _, _ in said]
    yield from dict.fromkeys(marked)


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
        written = BytesIO()
        write_po(written, catalogue, width=0, no_location=True, omit_header=True, sort_output=True)
        path.write_text(_HEADER.format(language, catalogue.plural_forms) + written.getvalue().decode("utf-8"))


if __name__ == "__main__":
    main()
