"""`exchange serve` and `exchange listen`: the two doors that stay open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    with api_service(opened) as service:
        console.print(f"FHIR R4: {service.fhir_url}/metadata", highlight=False)
        console.print(f"Tokens:  {service.token_url}", highlight=False)
        serve_api(service, Address(host, port, certificate, private_key, door))


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("host:port, such as 127.0.0.1:9464", param_hint="--metrics")
    return host.strip("[]"), int(port)


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
