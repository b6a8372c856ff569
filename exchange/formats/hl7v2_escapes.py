r"""Encoding characters and escape sequences of HL7 v2: delimiters, `\X..\`, `\C..\`, `\M..\`, formatting.

http://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading41
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMATTING = re.compile(r"\.(sp|in|ti|sk)[+-]?\d*|\.(fi|nf)")
_SWITCH = re.compile(r"[CM]((?:[0-9A-Fa-f]{2})+)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2 of the message itself."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


STANDARD = Delimiters()
"""What nearly every message uses."""


def unescape(text: str, delimiters: Delimiters) -> str:
    r"""Escape sequences as the characters they stand for; formatting as line breaks or nothing.

    >>> unescape(r"Smith \T\ Jones\.br\Ltd", STANDARD)
    'Smith & Jones\nLtd'
    >>> unescape(r"a lone \ stays", STANDARD)
    'a lone \\ stays'
    """
    mark = delimiters.escape
    parts = text.split(mark)
    if len(parts) < 3:
        return text
    named = _named_escapes(delimiters)
    out, index, switched = [parts[0]], 1, b""
    while index < len(parts):
        code = parts[index]
        closed = index + 1 < len(parts)
        switch = _SWITCH.fullmatch(code) if closed else None
        replacement = "" if switch else _escape(code, named) if closed else None
        if switch:
            switched = bytes.fromhex(switch.group(1))
        if replacement is None:
            out.append(mark + code)
            index += 1
        else:
            out += replacement, _in_set(parts[index + 1], switched)
            index += 2
    return "".join(out)


def _named_escapes(delimiters: Delimiters) -> dict[str, str]:
    return {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
        ".br": "\n",
        ".sp": "\n",
        ".ce": "\n",
    }


def _escape(code: str, named: dict[str, str]) -> str | None:
    if code in named:
        return named[code]
    if code.startswith("X") and len(code) > 1 and len(code) % 2 == 1:
        return _hexadecimal(code[1:])
    if _FORMATTING.fullmatch(code):
        return "\n" if code.startswith(".sp") else ""
    return None


def _hexadecimal(digits: str) -> str | None:
    """Bytes as UTF-8, else as Windows-1252; control characters are no text.

    >>> _hexadecimal("C3A9"), _hexadecimal("E9"), _hexadecimal("0D0A1F"), _hexadecimal("zz")
    ('é', 'é', '\\r\\n', None)
    """
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    try:
        text = found.decode()
    except UnicodeDecodeError:
        text = found.decode("cp1252", "replace")
    return _CONTROL.sub("", text)


def _in_set(text: str, switched: bytes) -> str:
    r"""Text after `\C..\` or `\M..\`: its characters are bytes of the set that ISO 2022 calls so.

    >>> _in_set("$3$s", b"$B"), _in_set("plain", b"(B"), _in_set("plain", b"")
    ('こん', 'plain', 'plain')
    """
    if not switched.startswith((b"$", b"(J")) or not text.isascii():
        return text
    try:
        return (b"\x1b" + switched + text.encode("ascii") + b"\x1b(B").decode("iso2022_jp_2")
    except UnicodeDecodeError:
        return text
