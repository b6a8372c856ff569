"""Dates, telephone numbers, addresses and numbers of persons brought to one form each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import phonenumbers
from anyascii import anyascii

_STREET_WORDS = {
    "street": "st", "avenue": "ave", "av": "ave", "boulevard": "blvd", "drive": "dr", "lane": "ln",
    "road": "rd", "court": "ct", "place": "pl", "circle": "cir", "terrace": "ter", "parkway": "pkwy",
    "highway": "hwy", "square": "sq", "trail": "trl", "mount": "mt", "saint": "st", "fort": "ft",
    "north": "n", "south": "s", "east": "e", "west": "w", "northeast": "ne", "northwest": "nw",
    "southeast": "se", "southwest": "sw", "first": "1st", "second": "2nd", "third": "3rd",
}  # fmt: skip
_UNIT = re.compile(r"(?:\b(?:apt|apartment|unit|suite|ste|room|rm|lot|floor|fl)\b|#)[ .#]*([a-z0-9-]+)")
_BOX = re.compile(r"\bp\.?\s*o\.?\s*box\s*#?\s*(\w+)")
_NUMBER = re.compile(r"^(\d+[a-z]?)(?:-\d+)?\b")
_PARTIAL_DATE = re.compile(r"^(\d{4})(-\d{2})?(-\d{2})?")


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in parts; an empty part was not said."""

    number: str = ""
    street: str = ""
    unit: str = ""
    postal_code: str = ""

    @property
    def building(self) -> str:
        return f"{self.number} {self.street}" if self.number and self.street else ""


def calendar_date(text: str) -> str:
    """`YYYY-MM-DD`, `YYYY-MM` or `YYYY` when it is a date, else nothing.

    >>> calendar_date("1980-02-30"), calendar_date("1980-02"), calendar_date("1980-02-03T10:00:00Z")
    ('', '1980-02', '1980-02-03')
    """
    found = _PARTIAL_DATE.match(text)
    if not found:
        return ""
    try:
        date.fromisoformat(f"{found[1]}{found[2] or '-01'}{found[3] or '-01'}")
    except ValueError:
        return ""
    return found[0]


def telephone(text: str) -> str:
    """E.164, read as a number of the United States unless it says otherwise.

    >>> telephone("(312) 555-0100 x12"), telephone("call me")
    ('+13125550100', '')
    """
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return ""
    number.extension = None
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def electronic_mail(text: str) -> str:
    """Lower case, without the tag after a plus sign.

    >>> electronic_mail("Ann.Lee+clinic@Example.org")
    'ann.lee@example.org'
    """
    local, at, host = text.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{host}" if at and local and "." in host else ""


def postal_address(lines: list[str], postal_code: str) -> Address:
    """House number, street, unit and five-digit code; words of direction and kind in one spelling.

    >>> postal_address(["1200 North Main Street, Apt. 4B"], "60601-1234")
    Address(number='1200', street='n main st', unit='4b', postal_code='60601')
    """
    text = anyascii(" ".join(lines)).lower()
    code = "".join(re.findall(r"\d", postal_code))[:5]
    if box := _BOX.search(text):
        return Address(box[1], "po box", "", code)
    unit = _UNIT.search(text)
    text = _UNIT.sub(" ", text).replace(",", " ").strip()
    number = _NUMBER.match(text)
    rest = re.findall(r"[a-z0-9]+", text[number.end() :] if number else text)
    street = " ".join(_STREET_WORDS.get(word, word) for word in rest)
    return Address(number[1] if number else "", street, unit[1].strip("-") if unit else "", code)


def social_security_number(text: str) -> tuple[str, str]:
    """All nine digits when they can tell people apart, and the last four when these are known.

    https://www.ssa.gov/employer/randomizationfaqs.html names what is never issued; numbers from 900 on are
    taxpayer numbers, which belong to one person just as well.

    >>> social_security_number("512-34-6789"), social_security_number("xxx-xx-6789")
    (('512346789', '6789'), ('', '6789'))
    >>> social_security_number("999-99-9999")
    ('', '')
    """
    digits = re.sub(r"\D", "", text)
    if len(digits) == 4:
        return "", "" if digits in ("0000", "9999") else digits
    if len(digits) != 9 or len(set(digits)) == 1 or digits == "123456789":
        return "", ""
    if digits[:3] in ("000", "666") or digits[3:5] == "00" or digits[5:] == "0000":
        return "", ""
    return digits, digits[5:]
