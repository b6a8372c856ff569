"""C-CDA documents: parsed with entities and network off.

https://hl7.org/cda/us/ccda/2.1/
"""

from __future__ import annotations

from datetime import datetime

from lxml import etree

from exchange.formats import hl7v2
from exchange.model.errors import RecordRejected

NAMESPACES = {
    "cda": "urn:hl7-org:v3",
    "sdtc": "urn:hl7-org:sdtc",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_TEMPLATES = "2.16.840.1.113883.10.20.22."


def qualified(name: str, *, attribute: bool = False) -> str:
    """A name of a path as lxml has it: without a prefix it is of urn:hl7-org:v3, an attribute of nothing.

    >>> qualified("code"), qualified("sdtc:raceCode"), qualified("value", attribute=True)
    ('{urn:hl7-org:v3}code', '{urn:hl7-org:sdtc}raceCode', 'value')
    """
    prefix, _, local = name.rpartition(":")
    if not prefix and attribute:
        return local
    return f"{{{NAMESPACES[prefix or 'cda']}}}{local}"


def template_root(name: str) -> str:
    """The root of a template; C-CDA's own are written without what all of them begin with.

    >>> template_root("4.4"), template_root("2.16.840.1.113883.10.20.15.3.8")
    ('2.16.840.1.113883.10.20.22.4.4', '2.16.840.1.113883.10.20.15.3.8')
    """
    return name if name.startswith(("2.16.", "1.3.6.")) else _TEMPLATES + name


_ROOT = qualified("ClinicalDocument")


def parse(payload: bytes) -> etree._Element:
    """The ClinicalDocument element; raises RecordRejected naming the line of the first XML error."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(payload, parser)
    except etree.XMLSyntaxError as error:
        raise _rejected(error) from None
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:  # type: ignore[union-attr]
        raise RecordRejected("declares XML entities, which are not read; send their text", code="structure")
    if root.tag != _ROOT:
        raise RecordRejected("the root element is not ClinicalDocument of urn:hl7-org:v3", code="structure")
    return root


def _rejected(error: etree.XMLSyntaxError) -> RecordRejected:
    place = f"line {error.lineno or 0}"
    if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:  # type: ignore[attr-defined]
        return RecordRejected(
            "more than the XML reader takes: 256 levels, 10,000,000 characters in one text, and entities that"
            " do not multiply",
            code="too-costly",
            position=place,
        )
    return RecordRejected("not well-formed XML", code="structure", position=place)


def identity(root: etree._Element) -> tuple[str, datetime | None]:
    """`root|extension` of the document's id (empty when it has none) and its effectiveTime."""
    own = root.find("cda:id", NAMESPACES)
    parts = [] if own is None else [own.get("root", ""), own.get("extension", "")]
    written = root.find("cda:effectiveTime", NAMESPACES)
    time = None if written is None else hl7v2.timestamp(written.get("value", ""))
    return "|".join(part for part in parts if part), time
