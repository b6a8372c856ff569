"""Names in XPath on C-CDA: those of CDA R2 with the extensions of HL7 (sdtc), and of XPath 1.0 itself.

`cda_names.csv` lists the elements and attributes of CDA's published schema
(https://github.com/HL7/CDA-core-2.0, schema/extensions/SDTC), and the functions and axes of
https://www.w3.org/TR/1999/REC-xpath-19991116/ with the `template` of this language.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

from exchange.formats import ccda
from exchange.mapping.paths.grammar import WrongPath

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_NAME = re.compile(
    r"(?P<at>@)?(?:(?P<axis>[a-z-]+)::)?(?:(?P<prefix>\w+):)?(?P<name>[A-Za-z_][\w-]*|\*)(?P<call>\s*\()?"
)
_OPERATORS = frozenset({"and", "or", "div", "mod"})
_NODE_TESTS = frozenset({"text", "node", "comment", "processing-instruction"})
_OF_XSI = frozenset({"type", "nil", "schemaLocation", "noNamespaceSchemaLocation"})


def check_names(path: str) -> None:
    """WrongPath for an element, attribute, function or axis that there is not.

    >>> check_names("observation[template('4.4')]/value/@codeSystem")
    >>> check_names("observation/valu")
    Traceback (most recent call last):
    exchange.mapping.paths.grammar.WrongPath: CDA has no element `valu`
    """
    names = _names()
    for found in _NAME.finditer(_QUOTED.sub("''", path)):
        at, axis, prefix, name, call = found.group("at", "axis", "prefix", "name", "call")
        if axis is not None and axis not in names["axis"]:
            raise WrongPath(f"XPath has no axis `{axis}`", axis, names["axis"])
        if name == "*" or (name in _OPERATORS and not (at or axis or prefix)):
            continue
        if call:
            if axis is None and name not in names["function"] | _NODE_TESTS:
                raise WrongPath(f"XPath has no function `{name}`", name, names["function"])
        elif prefix is not None and prefix not in ccda.NAMESPACES and prefix != "xml":
            raise WrongPath(f"`{prefix}` is no prefix", prefix, ccda.NAMESPACES)
        elif at or axis == "attribute":
            _check("attribute", name, _OF_XSI if prefix == "xsi" else names["attribute"], prefix)
        elif prefix == "sdtc":
            _check("sdtc element", name, names["sdtc"], prefix)
        else:
            _check("element", name, names["element"], prefix)


def _check(kind: str, name: str, valid: Collection[str], prefix: str | None) -> None:
    if name not in valid and prefix != "xml":
        raise WrongPath(f"CDA has no {kind} `{name}`", name, valid)


@cache
def _names() -> Mapping[str, frozenset[str]]:
    with files("exchange.mapping.paths").joinpath("cda_names.csv").open(encoding="utf-8") as lines:
        rows = [(row["kind"], row["name"]) for row in csv.DictReader(lines)]
    return {kind: frozenset(name for own, name in rows if own == kind) for kind, _ in rows}
