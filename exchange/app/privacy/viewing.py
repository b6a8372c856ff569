"""What a person at the console does is recorded before they see its answer."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.app.opening import Exchange
from exchange.audit import append, sign_in_entry, view_entries
from exchange.audit.people import SignIn


def record_view(
    exchange: Exchange,
    login: str,
    roles: Sequence[str],
    purpose: str,
    page: str,
    patients: Sequence[str | None],
) -> None:
    """That a page showed data of these Patients (FHIR ids; None: of somebody not known yet)."""
    with exchange.work.connect() as connection:
        append(connection, view_entries(login, roles, purpose, page, patients, exchange.work.now()))
        connection.commit()


def record_sign_in(exchange: Exchange, what: SignIn, login: str, address: str) -> None:
    """That somebody signed in, was refused, or signed out."""
    with exchange.work.connect() as connection:
        append(connection, [sign_in_entry(what, login, address, exchange.work.now())])
        connection.commit()
