"""A key that stands twice in one JSON object: readers keep one, and what the other said would vanish.

https://www.rfc-editor.org/rfc/rfc8259#section-4
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,63}")


class _Repeated(dict[str, Any]):
    """An object with a key twice, `key` the first."""

    key: str


def repeated_key(payload: bytes, parsed: Any) -> str:
    """The path to the first key that stands twice in its object; `` where none does.

    It is `?` where what was dropped is nested too deep to be looked into: what was kept is not.
    `parsed` is what orjson read. A key that was dropped took its quotes along: to count them costs a
    hundredth of mapping. Only where they differ is the text read again.

    >>> text = b'{"name": [{"family": "A", "given": "B", "family": "C"}]}'
    >>> repeated_key(text, orjson.loads(text)), repeated_key(b'{"a": "\\"", "b": 1}', {"a": '"', "b": 1})
    ('name[0].family', '')
    """
    if b"\\u0022" not in payload and payload.count(b'"') == orjson.dumps(parsed).count(b'"'):
        return ""
    try:
        return _path(json.loads(payload, object_pairs_hook=_object), "")
    except RecursionError:
        return "?"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    marked = _Repeated(found)
    # `add` gives None: the first name that was seen before.
    marked.key = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return marked


def _path(node: Any, at: str) -> str:
    if isinstance(node, _Repeated):
        return f"{at}.{_shown(node.key)}".strip(".")
    if isinstance(node, dict):
        return next(filter(None, (_path(value, f"{at}.{_shown(name)}") for name, value in node.items())), "")
    if isinstance(node, list):
        return next(filter(None, (_path(item, f"{at}[{index}]") for index, item in enumerate(node))), "")
    return ""


def _shown(name: str) -> str:
    """A name that is none of the format's may be somebody's data."""
    return name if _NAME.fullmatch(name) else "?"
