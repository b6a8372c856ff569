"""Writing HL7 v2 segments: https://www.hl7.eu/HL7v2x/v251/std251/hl7.htm"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from exchange.synthetic.contacts import Identity
from exchange.synthetic.person import Person, language
from exchange.synthetic.tables import CVX, ICD10CM, LOINC, RXNORM, SNOMED, Code, Practitioner

ZONE = ZoneInfo("America/Chicago")
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_SYSTEMS = {LOINC: "LN", SNOMED: "SCT", ICD10CM: "I10C", RXNORM: "RXNORM", CVX: "CVX"}
_LANGUAGES = {"eng": "English", "spa": "Spanish", "ukr": "Ukrainian", "pol": "Polish", "vie": "Vietnamese"}


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from field numbers to encoded values; trailing empty fields are left out.

    >>> segment("MRG", {1: "L1^^^LAKESIDE^MR"})
    'MRG|L1^^^LAKESIDE^MR'
    """
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def header(fields: Mapping[int, str], name: str = "MSH") -> str:
    """MSH, FHS or BHS, whose first field is the separator itself."""
    return f"{name}|^~\\&|" + segment(name, {n - 2: value for n, value in fields.items()}).partition("|")[2]


def message(segments: Sequence[str]) -> bytes:
    """Segments joined and ended by carriage returns, in UTF-8."""
    return "".join(f"{line}\r" for line in segments).encode()


def control_id(prefix: str, event: str, moment: datetime, parts: Sequence[str]) -> str:
    """MSH-10: unique, the same for the same message, at most 20 characters."""
    digest = sha256("\r".join([event, moment.isoformat(), *parts]).encode()).digest()
    return f"{prefix}{int.from_bytes(digest[:6]):015d}"


def text(value: str) -> str:
    """A value with the delimiters escaped."""
    return value.translate(_ESCAPES)


def coded(code: Code) -> str:
    """A CWE."""
    return f"{code.code}^{text(code.display)}^{_SYSTEMS[code.system]}"


def stamp(moment: datetime | date | None) -> str:
    """Local time to the second, or the day alone."""
    if moment is None:
        return ""
    return moment.strftime("%Y%m%d%H%M%S" if isinstance(moment, datetime) else "%Y%m%d")


def zoned(moment: datetime) -> str:
    """Local time with its offset from UTC."""
    return moment.replace(tzinfo=ZONE).strftime("%Y%m%d%H%M%S%z")


def doctor(who: Practitioner) -> str:
    """An XCN with the NPI."""
    return f"{who.npi}^{who.family}^{who.given}^^^Dr^^^NPI^L^^^NPI"


def patient(person: Person, says: Identity, key: str, kind: str) -> dict[int, str]:
    """The fields of PID; `key` is "<assigner>|<number>", `kind` the identifier type of table 0203."""
    assigner, number = key.split("|")
    fields = {
        1: "1",
        3: f"{number}^^^{assigner}^{kind}",
        5: _names(says),
        7: stamp(says.birth),
        8: says.sex,
        10: f"{person.race[0]}^{person.race[1]}^CDCREC",
        11: _address(says),
        13: _phones(says),
        15: f"{language(person)}^{_LANGUAGES[language(person)]}^ISO6392",
        19: says.ssn,
        22: "2135-2^Hispanic or Latino^CDCREC" if person.hispanic else "2186-5^Not Hispanic or Latino^CDCREC",
    }
    return fields | ({24: "Y", 25: str(person.twin)} if person.twin else {})


def _names(says: Identity) -> str:
    family, given, middle = text(says.family), text(says.given), text(says.middle)
    names = [f"{family}^{given}^{middle}^^^^L"]
    names += [f"{text(says.former)}^{given}^^^^^M"] if says.former else []
    names += [f"^{text(says.nickname)}^^^^^N"] if says.nickname else []
    return "~".join(names)


def _address(says: Identity) -> str:
    home = says.address
    return f"{text(home.street)}^{text(home.unit)}^{home.city}^{home.state}^{home.zip}^USA^H" if home else ""


def _phones(says: Identity) -> str:
    number = f"^PRN^PH^^^{says.phone[:3]}^{says.phone[3:]}" if says.phone else ""
    mail = f"^NET^Internet^{text(says.email)}" if says.email else ""
    return "~".join(part for part in (number, mail) if part)
