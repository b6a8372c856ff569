"""`exchange serve` and `exchange listen`: the two doors that stay open."""

from __future__ import annotations

import os
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from exchange.api.export.produce import work_once
from exchange.api.serve import Address
from exchange.api.serve import serve as serve_api
from exchange.app import content, find_partner, local_paths, partner_environment
from exchange.cli.common import PartnerArgument, console, exchange, settings
from exchange.cli.service import api_service
from exchange.connectors.mllp_listener import serve as serve_mllp

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8765,
    certificate: Annotated[Path | None, typer.Option(help="PEM file, to end TLS here.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    client_authority: Annotated[
        Path | None,
        typer.Option(help="PEM file; only clients with a certificate of it are heard (mutual TLS)."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="host:port where Prometheus scrapes /metrics; without it nobody does.")
    ] = None,
) -> None:
    """Serve the FHIR API on the data that is there, until interrupted.

    Who asks needs a client first: [bold]exchange client add --help[/bold]
    """
    door = _host_and_port(metrics) if metrics else None
    opened = exchange()
    if opened.settings.activation == "demo":
        console.print(
            "Rules:   consent/ as it lies, signed by nobody (EXCHANGE_ACTIVATION=demo)", highlight=False
        )
    if client_authority and not certificate:
        raise typer.BadParameter("mutual TLS needs --certificate", param_hint="--client-authority")
    address = Address(host, port, certificate, private_key, door, client_authority)
    base_url = None if os.environ.get("EXCHANGE_BASE_URL") else own_url(address)
    with api_service(opened, base_url) as service:
        console.print(f"FHIR R4: {service.fhir_url}/metadata", highlight=False)
        console.print(f"Tokens:  {service.token_url}", highlight=False)
        serve_api(service, address)


@app.command(name="export-worker")
def export_worker(
    once: Annotated[bool, typer.Option("--once", help="End when no export waits.")] = False,
) -> None:
    """Write the files of bulk exports that wait; [bold]exchange serve[/bold] does so as well."""
    with api_service(exchange()) as service:
        while work_once(service) or not once:
            if not once:
                sleep(1)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("host:port, such as 127.0.0.1:9464", param_hint="--metrics")
    return host.strip("[]"), int(port)


def own_url(address: Address) -> str:
    """What clients on this machine reach the API under, and sign their assertions for.

    >>> own_url(Address("0.0.0.0", 8901)), own_url(Address("localhost", 443, Path("server.pem")))
    ('http://127.0.0.1:8901', 'https://localhost:443')
    """
    host = "127.0.0.1" if address.host in ("0.0.0.0", "::") else address.host  # noqa: S104 - read, not bound
    return f"{'https' if address.certificate else 'http'}://{host}:{address.port}"


@app.command()
def listen(partner: PartnerArgument) -> None:
    """Take a partner's HL7 v2 messages over MLLP, until interrupted; each is kept before it is acknowledged.

    Host and port are those of the connector in its partner.yaml.
    """
    found = settings()
    _, partners, _ = content(found)
    serve_mllp(
        find_partner(partners, partner),
        partner_environment(found),
        local_paths(found),
        lambda host, port: console.print(f"listening on {host}:{port}", highlight=False),
    )
