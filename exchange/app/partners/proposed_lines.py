"""The lines of a proposed map: each names its column and says why; none holds a value of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from exchange.formats.recognise import SERIAL, Recognised

Found = Mapping[str, Recognised]
DECIMALS = r"\.\d+|,\d{1,2}"
"""With a point, or with a comma and so few digits that it cannot part thousands."""
NUMBER = 'replace(",", ".") | number'

_WORDS = ("and", "or", "not", "if", "else", "in", "as", "matches", "true", "false")


def path(item: Recognised) -> str:
    name = item.column.name
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and name not in _WORDS
    return name if plain else f"[{name}]"


def quoted(expression: str) -> str:
    return "'" + expression.replace("'", "''") + "'"


def date(item: Recognised, function: str = "date") -> str:
    form = item.date_format
    if form == SERIAL:
        return quoted(f"{path(item)} | excel_date")
    forms = ", ".join(f'"{each}"' for each in form.split("|"))
    return quoted(f"{path(item)} | {function}" + (f"({forms})" if form not in ("", "%Y-%m-%d") else ""))


def why(item: Recognised) -> str:
    return f"{item.confidence:.2f} {item.reason}"


def line(indent: int, element: str, value: str, *items: Recognised) -> str:
    reasons = "; ".join(map(why, items))
    return f"{' ' * indent}{element}: {value}  # {reasons}\n"


def of(found: Found, *names: str) -> list[Recognised]:
    return [found[name] for name in names if name in found]


def numbers_rows(item: Recognised) -> bool:
    """Whether every row has a value there, and no two the same."""
    return item.column.unique and item.column.filled == 1


_OF_SEVERAL = re.compile("accession|specimen|order|visit|encounter|folio", re.IGNORECASE)


def event(
    name: str,
    resource: str,
    person: Recognised,
    what: Sequence[Recognised],
    found: Found,
    there: Sequence[Recognised] = (),
) -> str:
    """The head of an entry; without a number of its own a row is known by person, day and code (`what`).

    It is made where one of `there` is, or of `what`. An accession, an order or a visit is not the row's own:
    it holds several.
    """
    own = found.get("record_id")
    # A number that only some rows have is none of the others.
    numbered = own is not None and own is not person and own.column.filled == 1
    alone = numbered and own and own.column.unique and not _OF_SEVERAL.search(own.column.name)
    key = [own] if alone and own else [own if numbered and own else person, *what]
    when = " or ".join(path(item) for item in there or what)
    out = f"  {name}:\n    resource: {resource}\n    when: {quoted(when)}\n"
    parts = [quoted(path(item) + ("??" if item in what else "")) for item in key]
    return out + f"    id: [{', '.join([*parts, '=' + name])}]\n"
