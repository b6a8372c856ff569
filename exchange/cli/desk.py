"""The console's desk, put together from the open exchange and the API's own code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Literal
from uuid import uuid4

from psycopg_pool import ConnectionPool

from exchange.api import Client, Service, disable_client, let_in_again, list_clients, register_client
from exchange.api.access import Access
from exchange.api.fhir import answer_holder
from exchange.api.messages import Call, Refusal, parse_parameters, refused
from exchange.api.panels import LASTS
from exchange.api.scopes import parse_scopes
from exchange.app import Current, Exchange, find_partner
from exchange.audit import append, client_entry
from exchange.cli.service import api_service
from exchange.console import Desk, OpenIdProvider
from exchange.console.desk import Panel, Registered
from exchange.crypto import new_jwk_pair
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository.database.lists import write_lists_quickly

_SCOPE = "system/*.rs"


@contextmanager
def desk_of(
    opened: Exchange, base_url: str, provider: OpenIdProvider | None = None, airflow_url: str | None = None
) -> Iterator[Desk]:
    """The desk while the block runs; what partners try out goes through the API's code and database role."""
    with api_service(opened) as service, _lending(opened.database_url) as connections:
        yield Desk(
            opened=Current(opened, connections.connection),
            base_url=base_url,
            cookie_key=sha256(b"console cookies\0" + opened.signing_key.encode()).digest(),
            provider=provider,
            airflow_url=airflow_url,
            ask=lambda viewer, login, target: _ask(opened, service, viewer, login, target),
            upload=lambda viewer, login, body, panel: _upload(opened, service, viewer, login, body, panel),
            end_panel=lambda viewer, login, panel: _end_panel(opened, service, viewer, login, panel),
            panels=lambda participant: _panels(opened, participant),
            clients=lambda participant: _clients(opened, participant),
            register=lambda participant, login, name, jwks: _register(opened, participant, login, name, jwks),
            disable=lambda participant, login, name: _switched(opened, participant, login, name, "D"),
            let_in=lambda participant, login, name: _switched(opened, participant, login, name, "C"),
        )


def _lending(url: str) -> ConnectionPool[Connection]:
    """Connections that stay open from page to page: a new one is a new process of the server."""
    return ConnectionPool(
        url,
        min_size=1,
        max_size=20,
        open=True,
        configure=_as_new,
        reset=_as_new,
        check=ConnectionPool.check_connection,
    )


def _as_new(connection: Connection) -> None:
    """No plan is kept: tables grow while the console runs."""
    connection.autocommit, connection.prepare_threshold = False, None
    write_lists_quickly(connection)


def _ask(opened: Exchange, service: Service, viewer: Viewer, login: str, target: str) -> tuple[int, bytes]:
    """A GET below /fhir as the viewer: the same code, the same role of the database, the same record."""
    path, _, query = target.lstrip("/").partition("?")
    call = Call(
        method="GET", path=f"/fhir/{path}", query=query, headers={}, body=b"", address="console",
        request_id=str(uuid4()), at=service.clock(),
    )  # fmt: skip
    return _answered(opened, service, viewer, login, call, _SCOPE)


def _upload(
    opened: Exchange, service: Service, viewer: Viewer, login: str, body: bytes, panel: str
) -> tuple[int, bytes]:
    """A POST of a Group as the viewer, or a PUT of its `panel`, through the same code."""
    call = Call(
        method="PUT" if panel else "POST", path=f"/fhir/Group/{panel}" if panel else "/fhir/Group", query="",
        headers={"content-type": "application/fhir+json"}, body=body, address="console",
        request_id=str(uuid4()), at=service.clock(),
    )  # fmt: skip
    return _answered(opened, service, viewer, login, call, "system/Group.cu")


def _end_panel(opened: Exchange, service: Service, viewer: Viewer, login: str, panel: str) -> int:
    """A DELETE of a Group as the viewer, through the same code."""
    call = Call(
        method="DELETE", path=f"/fhir/Group/{panel}", query="", headers={}, body=b"", address="console",
        request_id=str(uuid4()), at=service.clock(),
    )  # fmt: skip
    return _answered(opened, service, viewer, login, call, "system/Group.d")[0]


def _panels(opened: Exchange, participant: str) -> list[Panel]:
    with opened.work.connect() as connection:
        rows = connection.execute(
            "SELECT panel::text, coalesce(body ->> 'name', ''), (body ->> 'quantity')::int, updated"
            " FROM panel WHERE participant = %s ORDER BY updated DESC, panel",
            [participant],
        ).fetchall()
    return [Panel(key, name, members, updated, updated + LASTS) for key, name, members, updated in rows]


def _answered(
    opened: Exchange, service: Service, viewer: Viewer, login: str, call: Call, scope: str
) -> tuple[int, bytes]:
    client = _own_client(opened, viewer.participant, login)
    at = call.at
    held = Access(viewer, client, parse_scopes(scope), str(uuid4()), at, at + timedelta(minutes=5))
    try:
        answer = answer_holder(service, held, call, parse_parameters(call.query, service.limits.parameters))
    except Refusal as refusal:
        answer = refused(refusal)
    return answer.status, answer.body


def _own_client(opened: Exchange, participant: str, login: str) -> str:
    """A client for what a person of the participant tries out; nobody has its key, it can be switched off."""
    name = f"console:{participant}:{login}"
    if name not in {client.client_id for client in _clients(opened, participant)}:
        _private, public = new_jwk_pair("ES384")
        _register(opened, participant, login, name, {"keys": [public]})
    return name


def _clients(opened: Exchange, participant: str) -> list[Registered]:
    with opened.work.connect() as connection:
        return [
            Registered(
                c.client_id, tuple(c.scopes), tuple(c.purposes), c.disabled, c.disabled_by == "participant"
            )
            for c in list_clients(connection)
            if c.participant == participant
        ]


def _register(opened: Exchange, participant: str, login: str, name: str, jwks: dict[str, object]) -> None:
    found = find_partner(opened.partners, participant)
    client = Client(
        client_id=name,
        participant=participant,
        jwks=jwks,
        scopes=[_SCOPE],
        roles=list(found.requests.roles),
        purposes=list(found.requests.purposes),
    )
    at = opened.work.now()
    known = name in {client.client_id for client in _clients(opened, participant)}
    with opened.work.connect() as connection:
        register_client(connection, client, found, at)
        append(connection, [client_entry(participant, login, "U" if known else "C", name, at)])
        connection.commit()


def _switched(opened: Exchange, participant: str, login: str, name: str, action: Literal["C", "D"]) -> bool:
    """Off (D) or in again (C), of the participant's own clients; False when nothing changed."""
    at = opened.work.now()
    if name not in {client.client_id for client in _clients(opened, participant)}:
        return False
    with opened.work.connect() as connection:
        switch = disable_client if action == "D" else let_in_again
        done = switch(connection, name, "participant", at)
        if done:
            append(connection, [client_entry(participant, login, action, name, at)])
        connection.commit()
    return done
