"""Templates for sections and statements that name none: told by the LOINC code of the section and by place.

Some senders leave templateIds out or use those of an older guide; maps only know templates of C-CDA.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from lxml import etree

from exchange.formats.ccda import qualified, template_root

_SECTION, _ENTRY, _CODE, _TEMPLATE_ID = map(qualified, ("section", "entry", "code", "templateId"))
_FAMILY, _OLD = "2.16.840.1.113883.10.20.", "2.16.840.1.113883.10.20.1."
Rule = tuple[tuple[str, ...], str, str]
"""(names of the elements below `entry`, code of the statement or empty, root of its template)"""


def recognise(root: Any) -> Any:
    """The document, with a templateId added to each section and statement that has none of C-CDA."""
    for section in root.iter(_SECTION):
        code = section.find(_CODE)
        known = None if code is None else _rules().get(code.get("code", ""))
        if known is None:
            continue
        if not _has_template(section):
            _add(section, known[0])
        for entry in section.iterchildren(_ENTRY):
            for path, wanted, template in known[1]:
                for statement in _at(entry, path):
                    if (not wanted or _code(statement) == wanted) and not _has_template(statement):
                        _add(statement, template)
    return root


def _at(place: Any, path: tuple[str, ...]) -> Iterator[Any]:
    for child in place.iterchildren(path[0]):
        if len(path) == 1:
            yield child
        else:
            yield from _at(child, path[1:])


def _code(statement: Any) -> str:
    code = statement.find(_CODE)
    return "" if code is None else str(code.get("code", ""))


def _has_template(element: Any) -> bool:
    """Whether one of its templates is of C-CDA; those of CCD 1.0 and of IHE's are not."""
    roots = (item.get("root", "") for item in element.iterchildren(_TEMPLATE_ID))
    return any(root.startswith(_FAMILY) and not root.startswith(_OLD) for root in roots)


def _add(element: Any, template: str) -> None:
    element.insert(0, etree.Element(_TEMPLATE_ID, root=template))


@cache
def _rules() -> dict[str, tuple[str, tuple[Rule, ...]]]:
    """By LOINC code of the section: the root of its template, and the rules of its statements."""
    table: dict[str, tuple[str, tuple[Rule, ...]]] = {}
    text = files("exchange.formats").joinpath("ccda_sections.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        path = tuple(map(qualified, row["statement"].split("/")))
        rule = (path, row["code"], template_root(row["template"]))
        for loinc in row["section"].split():
            known = table.get(loinc, (template_root(row["section_template"]), ()))
            table[loinc] = (known[0], (*known[1], rule))
    return table
