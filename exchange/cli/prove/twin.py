"""This exchange twice: as it is, and without what a requester may not see. Nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from psycopg.types.json import Jsonb

from exchange.api import Service
from exchange.api.access import issue
from exchange.api.clients import Client
from exchange.api.limits import Rate
from exchange.api.scopes import parse_scopes
from exchange.api.serve import Address, answering
from exchange.api.service import Limits
from exchange.app.prove.asking import Material, Request
from exchange.app.prove.comparing import Answer, differences
from exchange.app.prove.interference import remove_hidden, remove_stated, sample_material
from exchange.app.prove.proving import CompareAll
from exchange.app.prove.sending import sent
from exchange.cli.prove.rehearsal import Kept, Rehearsal, finished, undone, without_others
from exchange.cli.prove.side import Side, opened
from exchange.delivery.parcel import Office
from exchange.model.audit import Giving
from exchange.model.partner import Partner
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection

Connect = Callable[[], AbstractContextManager[Connection]]
_Lend = Callable[[Connection, str], Rehearsal | Kept]

_SCOPE = "system/*.cruds"
_ANY = 1_000_000_000
_UNLIMITED = Limits(participant=Rate(1e9, _ANY), address=Rate(1e9, _ANY), exports=_ANY, exports_kept=_ANY)


@dataclass(slots=True)
class _Clock:
    """Stands still while both sides answer, and is put on before each question."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class Twin:
    """What is asked of both sides; the requester sees `seen` rows, and `hidden` are missing on the second."""

    material: Material
    seen: int
    hidden: int
    compare: Callable[[Request], tuple[str, ...]]


def requesters(partners: Mapping[str, Partner]) -> list[Viewer]:
    """Who may ask for what, by the participants' own files."""
    return [
        Viewer(partner.code, role, purpose)
        for partner in partners.values()
        for role in partner.requests.roles
        for purpose in partner.requests.purposes
    ]


@contextmanager
def twin(connect: Connect, service: Service, viewer: Viewer, seed: int) -> Iterator[Twin]:
    """Both sides while the block runs, each behind its own door and in a transaction that is rolled back."""
    clock = _Clock(datetime.now(UTC))
    with ExitStack() as stack:
        whole, bare = (stack.enter_context(_undone(connect)) for _ in range(2))
        material = sample_material(whole, viewer, seed)
        hidden = remove_hidden(bare, viewer)
        (seen,) = bare.execute("SELECT count(*) FROM resource").fetchone() or (0,)
        sides = [stack.enter_context(_side(service, held, viewer, clock)) for held in (whole, bare)]

        def compare(request: Request) -> tuple[str, ...]:
            clock.at = datetime.now(UTC)
            return differences(*(side.ask(request) for side in sides))

        yield Twin(material, seen, hidden, compare)


@dataclass(frozen=True, slots=True)
class Turns:
    """What is asked in one world and then in the other, so that neither waits for what the other holds.

    `compare` what the API answers, `compare_sent` what is sent by itself (sending.py).
    """

    material: Material
    compare: CompareAll
    compare_sent: CompareAll


@contextmanager
def turns(connect: Connect, service: Service, office: Office, viewer: Viewer, seed: int) -> Iterator[Turns]:
    """Both worlds in one transaction: requests are asked, the hidden is removed, they are asked again.

    It is brought back after each comparison, and all is rolled back at the end. What each request wrote is
    undone before the next; what differs when the same world is asked twice, as a name the server draws, is no
    difference.
    """
    clock = _Clock(datetime.now(UTC))
    with _undone(connect) as held, _side(service, held, viewer, clock, _kept) as side:
        material = sample_material(held, viewer, seed)

        def answered(request: Request) -> list[Answer]:
            with undone(held):
                return side.ask(request)

        def delivered(request: Request) -> list[Answer]:
            with undone(held):
                return sent(held, viewer, at_rest, clock.at, request)

        at_rest = replace(office, now=clock)

        def compare(
            tell: Callable[[Request], list[Answer]], action: Giving, requests: Sequence[Request]
        ) -> list[tuple[str, ...]]:
            clock.at = datetime.now(UTC)
            whole = [tell(request) for request in requests]
            with undone(held):
                remove_hidden(held, viewer, action, clock.at)  # the instant stands still
                remove_stated(held, viewer)
                bare = [tell(request) for request in requests]
            found = zip(requests, whole, map(differences, whole, bare), strict=True)
            return [_not_by_itself(places, one, partial(tell, asked)) for asked, one, places in found]

        yield Turns(material, partial(compare, answered, "access"), partial(compare, delivered, "disclose"))


def _not_by_itself(
    places: tuple[str, ...], one: Sequence[Answer], again: Callable[[], Sequence[Answer]]
) -> tuple[str, ...]:
    """The places without those that differ when the same world is asked once more."""
    expected = set(differences(one, again())) if places else ()
    return tuple(place for place in places if place not in expected)


def _kept(held: Connection, client: str) -> Kept:
    """What a story wrote is there for the rest of it, whoever asks."""
    return Kept(held)


@contextmanager
def _undone(connect: Connect) -> Iterator[Connection]:
    with connect() as connection:
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def _side(
    service: Service, held: Connection, viewer: Viewer, clock: _Clock, lend: _Lend = Rehearsal
) -> Iterator[Side]:
    """The real API on this connection; its client is known to this transaction alone."""
    client = Client(f"prove-{uuid4()}", viewer.participant, {"keys": []}, [_SCOPE], [], [])
    held.execute(
        "INSERT INTO client (client_id, participant, jwks, scopes, roles, purposes, registered)"
        " VALUES (%s, %s, %s, %s, '{}', '{}', %s)",
        (client.client_id, client.participant, Jsonb(dict(client.jwks)), client.scopes, clock.at),
    )
    rehearsal = lend(held, client.client_id)
    with TemporaryDirectory(prefix="exchange-prove-") as folder:
        lent = replace(
            without_others(service, rehearsal, Path(folder).as_uri()), clock=clock, limits=_UNLIMITED
        )

        def token() -> str:
            """A fresh one each time: a proof lasts longer than one is good for."""
            return issue(service, viewer, client, parse_scopes(_SCOPE), datetime.now(UTC))[0]

        with (
            answering(lent, Address(port=0)) as port,
            opened(f"http://127.0.0.1:{port}/fhir", token, service.fhir_url) as side,
        ):
            yield replace(side, finished=partial(finished, lent, client.client_id))
