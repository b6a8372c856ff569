"""This exchange twice: as it is, and without what a requester may not see. Nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from exchange.app.prove.comparing import differences
from exchange.app.prove.interference import remove_hidden, sample_material
from exchange.cli.prove.rehearsal import Rehearsal, finished, without_others
from exchange.cli.prove.side import Side, opened
from exchange.model.partner import Partner
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection

Connect = Callable[[], AbstractContextManager[Connection]]

_SCOPE = "system/*.rs"
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


@contextmanager
def _undone(connect: Connect) -> Iterator[Connection]:
    with connect() as connection:
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def _side(service: Service, held: Connection, viewer: Viewer, clock: _Clock) -> Iterator[Side]:
    """The real API on this connection; its client is known to this transaction alone."""
    client = Client(f"prove-{uuid4()}", viewer.participant, {"keys": []}, [_SCOPE], [], [])
    held.execute(
        "INSERT INTO client (client_id, participant, jwks, scopes, roles, purposes, registered)"
        " VALUES (%s, %s, %s, %s, '{}', '{}', %s)",
        (client.client_id, client.participant, Jsonb(dict(client.jwks)), client.scopes, clock.at),
    )
    rehearsal = Rehearsal(held, client.client_id)
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
