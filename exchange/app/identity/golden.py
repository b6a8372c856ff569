"""Why a person is shown as the golden Patient has it, for a steward who sees every contribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from exchange.app.opening import Exchange
from exchange.audit import append, steward_entries
from exchange.linkage.survivorship import Survivor, survivors
from exchange.model.errors import ContentError
from exchange.repository import contributions_of


@dataclass(frozen=True, slots=True)
class Golden:
    """`records`: (number, partner) of each contribution; `survivors`: every value with its reason."""

    records: tuple[tuple[int, str], ...]
    survivors: tuple[Survivor, ...]


def golden_of(exchange: Exchange, patient: int, steward: str) -> Golden:
    """The person one patient is of, composed of all that partners sent; that it was looked at is recorded.

    A requester is shown the same composed from what he may see. Raises ContentError for a number nobody has.
    """
    with exchange.work.connect() as connection:
        found = contributions_of(connection, patient)
        if not found:
            raise ContentError("no such patient in the identity index", field=str(patient))
        ids = [fhir_id for _, fhir_id, _, _ in found]
        append(connection, steward_entries("access", steward, "", ids, exchange.work.now()))
        connection.commit()
    return Golden(
        tuple((number, partner) for number, _, partner, _ in found),
        tuple(survivors([(partner, body) for _, _, partner, body in found])),
    )


def in_words(value: Any) -> str:
    """A value of a Patient as one line.

    >>> in_words({"given": ["Ana"], "family": "Ruiz", "use": "official"}), in_words("1980-03-12")
    ('Ana Ruiz (official)', '1980-03-12')
    """
    if not isinstance(value, dict):
        return str(value).lower() if isinstance(value, bool) else str(value)
    said = ", ".join(_parts(value)) if "line" in value or "city" in value else " ".join(_parts(value))
    return f"{said} ({value['use']})" if value.get("use") else said


def _parts(value: dict[str, Any]) -> Iterator[str]:
    names = ("given", "family", "line", "city", "postalCode", "text", "value", "display", "code")
    plain = {**value, "text": ""} if "family" in value or "line" in value else value
    for name in names:
        said = plain.get(name)
        yield from map(str, said) if isinstance(said, list) else filter(None, [said and str(said)])
    for coding in () if value.get("text") else value.get("coding", ()):
        yield str(coding.get("display") or coding.get("code", ""))
    for name in ("language", "name", "relationship"):
        nested = value.get(name)
        for part in nested if isinstance(nested, list) else [nested] if isinstance(nested, dict) else []:
            yield in_words(part)
