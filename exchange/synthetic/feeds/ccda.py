"""Writing C-CDA R2.1: https://www.hl7.org/ccdasearch/"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape

from exchange.synthetic.contacts import Contact
from exchange.synthetic.facts import History
from exchange.synthetic.feeds.hl7 import ZONE
from exchange.synthetic.tables import CVX, ICD10CM, LOINC, RXNORM, SNOMED, Code

OPEN = (
    '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
)
PATIENTS = "2.16.840.1.113883.19.20.1"
ENTRIES = "2.16.840.1.113883.19.20.5"
DOCUMENTS = "2.16.840.1.113883.19.20.9"
OIDS = {
    LOINC: "2.16.840.1.113883.6.1",
    SNOMED: "2.16.840.1.113883.6.96",
    ICD10CM: "2.16.840.1.113883.6.90",
    RXNORM: "2.16.840.1.113883.6.88",
    CVX: "2.16.840.1.113883.12.292",
}
_RELEASE = ' extension="2015-08-01"'


@dataclass(frozen=True, slots=True)
class Resident:
    """One resident's chart as it stands when a document is written."""

    history: History
    contact: Contact
    now: datetime

    @property
    def number(self) -> str:
        return self.contact.key.partition("|")[2]

    def entry_id(self, letter: str, number: int) -> str:
        """The id element of an entry."""
        return id_of(ENTRIES, f"{self.number}-{letter}{number}")


def template(root: str, *, dated: bool = True) -> str:
    """A templateId; most templates of R2.1 carry the release date."""
    return f'<templateId root="{root}"{_RELEASE if dated else ""}/>'


def id_of(root: str, extension: str, name: str = "id") -> str:
    """An instance identifier."""
    return f'<{name} root="{root}" extension="{escape(extension)}"/>'


def code_of(code: Code, name: str = "code", inner: str = "", kind: str = "") -> str:
    """A coded element; `kind` is its xsi:type where the schema leaves it open."""
    shown = f' displayName="{escape(code.display)}"' if code.display else ""
    typed = f' xsi:type="{kind}"' if kind else ""
    start = f'<{name}{typed} code="{code.code}" codeSystem="{OIDS.get(code.system, code.system)}"{shown}'
    return f"{start}>{inner}</{name}>" if inner else f"{start}/>"


def act_code(code: str, system: str, display: str = "", name: str = "code") -> str:
    """A coded element of a system given by its OID."""
    return code_of(Code(system, code, display), name)


def stamp(moment: datetime | date) -> str:
    """A day, or a local time with its offset."""
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=ZONE).strftime("%Y%m%d%H%M%S%z")
    return moment.strftime("%Y%m%d")


def interval(low: datetime | date, high: datetime | date | None = None) -> str:
    """An effectiveTime that began, and perhaps ended."""
    end = f'<high value="{stamp(high)}"/>' if high else ""
    return f'<effectiveTime><low value="{stamp(low)}"/>{end}</effectiveTime>'


def status(code: str) -> str:
    """A statusCode."""
    return f'<statusCode code="{code}"/>'


def section(root: str, code: Code, rows: Sequence[tuple[str, ...]], entries: list[str]) -> str:
    """A section with its narrative table; without entries it says so."""
    title = escape(code.display)
    head = f"{template(root)}{code_of(code)}<title>{title}</title>"
    if not entries:
        return f'<component><section nullFlavor="NI">{head}<text>No information</text></section></component>'
    table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    text = f"<text><table><tbody>{table}</tbody></table></text>"
    return f"<component><section>{head}{text}{''.join(entries)}</section></component>"
