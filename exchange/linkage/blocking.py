"""Keys that two records of one person are likely to share; only records sharing one are compared."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from exchange.linkage.features import Features
from exchange.linkage.names import sound, surname_sound


def blocking_keys(features: Features) -> tuple[int, ...]:
    """Signed 64-bit keys, sorted; each joins at least two parts, or one that few persons share."""
    texts = {*_identifier_keys(features), *_name_keys(features), *_contact_keys(features)}
    return tuple(sorted(map(blocking_key, texts)))


def blocking_key(text: str) -> int:
    """
    >>> blocking_key("email|ann@example.org")
    -8486192163801754790
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _birth(features: Features) -> str:
    """The birth date with month and day in one order, so that a swap of the two meets itself."""
    year, *rest = features.birth_date.split("-")
    return f"{year}{''.join(sorted(rest))}" if len(rest) == 2 else ""


def _identifier_keys(features: Features) -> Iterator[str]:
    for identifier in features.identifiers:
        yield f"id|{identifier.system}|{identifier.digest}"
    if features.ssn:
        yield f"ssn|{features.ssn}"
    if features.ssn_last4:
        yield f"last4|{features.ssn_last4}|{features.birth_date[:4]}"
        for name in features.names:
            for surname in name.surname:
                yield f"last4|{features.ssn_last4}|{surname_sound(surname)}"


def _name_keys(features: Features) -> Iterator[str]:
    birth = _birth(features)
    year, month_and_day = features.birth_date[:4], features.birth_date[5:]
    areas = {address.postal_code[:3] for address in features.addresses if address.postal_code}
    for name in features.names:
        if birth:
            for word in (*name.given[:2], *name.surname):
                yield f"birth|{birth}|{surname_sound(word)}"
        for surname in name.surname if name.given else ():
            pair = "|".join(sorted((surname_sound(name.given[0]), surname_sound(surname))))
            if year:
                yield f"year|{year}|{pair}"
            if month_and_day:
                yield f"day|{month_and_day}|{pair}"
            for area in areas:
                yield f"area|{area}|{pair}"


def _contact_keys(features: Features) -> Iterator[str]:
    year = features.birth_date[:4]
    given = {sound(name.given[0]) for name in features.names if name.given}
    for email in features.emails:
        yield f"email|{email}"
    places = {f"phone|{phone}" for phone in features.phones}
    places |= {
        f"address|{address.building}|{address.postal_code}"
        for address in features.addresses
        if address.building
    }
    for place in places:
        if year:
            yield f"{place}|{year}"
        for word in given:
            yield f"{place}|{word}"
