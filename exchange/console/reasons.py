"""Findings in the reader's language: they are kept in English, as they were told when a record was read.

Each is one of the templates; what stands for `%(…)s` is a name or a number and stays as it is, but for
`words`, which is a finding itself. A text that is none of them is somebody else's: of a map, a library,
a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from exchange.console.findings import TEMPLATES

_HOLE = re.compile(r"%\((\w+)\)s")
_LONGEST = 2_000  # what is longer is no template of ours


def told(finding: str, translate: Callable[[str], str], depth: int = 3) -> str | None:
    """The finding by `translate`, which knows the templates; None for one that is none of them.

    `depth`: how often findings may lie in one another.

    >>> told("the row has 3 columns, the header 18", lambda text: text.replace("columns", "columnas"))
    'the row has 3 columnas, the header 18'
    >>> told("Dr. Vega's own words", str) is None
    True
    """
    for template, pattern in _patterns() if depth >= 0 and len(finding) <= _LONGEST else ():
        if found := pattern.fullmatch(finding):
            values = found.groupdict()
            inner = told(values["words"], translate, depth - 1) if "words" in values else ""
            if inner is not None:
                return translate(template) % {**values, "words": inner}
    return None


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The template with most text of its own comes first."""
    found = sorted(TEMPLATES, key=lambda template: -len(_HOLE.sub("", template)))
    return tuple((template, re.compile(_written(template), re.DOTALL)) for template in found)


def _written(template: str) -> str:
    """
    >>> _written("a `%(name)s`.")
    'a\\\\ `(?P<name>.+?)`\\\\.'
    """
    pieces = _HOLE.split(template)
    return "".join(
        f"(?P<{piece}>.+?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    )
