"""The character set of an HL7 v2 message: MSH-18 names it, byte order marks and wide headers show it.

Table 0211, https://terminology.hl7.org/CodeSystem-v2-0211.html; senders also use the names of IANA and DICOM.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from exchange.model.errors import RecordRejected

_NAMED = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "UNICODEUTF16": "utf-16",
    "UNICODEUTF32": "utf-32",
    "GB180302000": "gb18030",
    "BIG5": "big5",
    "CNS116431992": "euc_tw",
    "KSX1001": "euc_kr",
    "JISX0202": "iso2022_jp_2",
    "JAS2020": "shift_jis",
}
# Registrations of ISO 2375; 87 and 159 are switched to by escape sequences within the text.
_REGISTERED = {
    **dict.fromkeys((6, 192), "utf-8"),
    **dict.fromkeys((14, 87, 159), "iso2022_jp_2"),
    13: "shift_jis", 58: "gb2312", 149: "euc_kr",
    100: "iso8859-1", 101: "iso8859-2", 109: "iso8859-3", 110: "iso8859-4", 144: "iso8859-5",
    127: "iso8859-6", 126: "iso8859-7", 138: "iso8859-8", 148: "iso8859-9", 203: "iso8859-15",
}  # fmt: skip
_PART = re.compile(r"(?:ISO)?8859(\d{1,2})")
_REGISTRATION = re.compile(r"ISOIR(\d{1,3})")
_WIDE = (
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "utf-32"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "utf-16"),
    (re.compile(rb"[MFB]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[MFB]"), "utf-32-be"),
    (re.compile(rb"[MFB]\0"), "utf-16-le"),
    (re.compile(rb"\0[MFB]"), "utf-16-be"),
)
"""How a message of two or four bytes a character begins, with a byte order mark or without."""
_NARROW = re.compile(rb"[MFB][^\0]")
_SELF_CHECKING = ("utf-8", "iso2022_jp_2", "gb18030", "euc_kr", "euc_tw", "big5")
"""Encodings that text of another is hardly ever valid in: of several sets named, these are tried first."""
FRAME = "\x0b\x1c \t\r\n"
"""What may stand around a message: MLLP's frame and white space."""


def wide_encoding(payload: bytes) -> str | None:
    """The encoding of a payload whose characters take two or four bytes; None for all others."""
    if _NARROW.match(payload):
        return None
    return next((name for begins, name in _WIDE if begins.match(payload)), None)


def narrowed(payload: bytes) -> bytes:
    """The payload in UTF-8 where its characters take two or four bytes; what is cut off is replaced."""
    wide = wide_encoding(payload)
    return payload.decode(wide, errors="replace").lstrip("\ufeff").encode() if wide else payload


def decoded(payload: bytes) -> str:
    r"""Text in the character sets MSH-18 declares; raises RecordRejected when none of them holds.

    >>> decoded("MSH|^~\\&||||||||||||||||8859/1\rPID|||||Nuñez".encode("latin-1"))[-5:]
    'Nuñez'
    >>> decoded("MSH|^~\\&||||||||||||||||ASCII~8859/1\rPID|||||Nuñez".encode("latin-1"))[-5:]
    'Nuñez'
    """
    if wide := wide_encoding(payload):
        return _strictly(payload, [wide]).lstrip("\ufeff").strip(FRAME)
    body = payload.removeprefix(b"\xef\xbb\xbf").strip(FRAME.encode())
    if body.isascii() and b"\x1b" not in body:
        return body.decode("ascii")
    named = list(dict.fromkeys(map(codec_of, _declared(body))))
    switching = "iso2022_jp_2" if b"\x1b" in body else ""
    return _strictly(body, sorted(named, key=lambda name: (name != switching, name not in _SELF_CHECKING)))


def _strictly(body: bytes, encodings: Sequence[str]) -> str:
    """The text in the first encoding that reads all of it."""
    for encoding in encodings:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RecordRejected(
        f"the bytes are not {' or '.join(encodings)}; MSH-18 must name the character set used",
        code="structure",
        expression="MSH-18",
    )


def _declared(body: bytes) -> list[str]:
    """The names in MSH-18, by the delimiters of the message."""
    header = body[:4096].split(b"\r", 1)[0].split(b"\n", 1)[0].split(body[3:4] or b"|", 18)
    repetition = header[1][1:2] if len(header) > 1 else b"~"
    named = header[17] if len(header) > 17 else b""
    return [part.decode("ascii", "replace") for part in named.split(repetition or b"~")]


def codec_of(name: str) -> str:
    """Python's name of a character set; what nobody knows is read as UTF-8.

    >>> [codec_of(name) for name in ("8859/15", "ISO IR87", "ISO_IR 100", "UNICODE UTF-8", "WINDOWS-1252")]
    ['iso8859-15', 'iso2022_jp_2', 'iso8859-1', 'utf-8', 'cp1252']
    """
    plain = re.sub(r"[\s/_-]", "", name).upper()
    if plain in _NAMED:
        return _NAMED[plain]
    if found := _PART.fullmatch(plain):
        name = f"iso8859-{found.group(1)}"
    if found := _REGISTRATION.fullmatch(plain):
        return _REGISTERED.get(int(found.group(1)), "utf-8")
    try:
        "".encode(name.strip())  # Python has codecs that are no character sets: they refuse text
    except (LookupError, ValueError):
        return "utf-8"
    return codecs.lookup(name.strip()).name
