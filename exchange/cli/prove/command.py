"""`exchange prove non-interference`: on this exchange, or on two FHIR servers that should answer alike."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from exchange.api import Service
from exchange.app import Exchange
from exchange.app.partners.delivering import post_of
from exchange.app.prove.asking import told
from exchange.app.prove.proving import Effort, Leak, first_leak, first_leak_in_turns
from exchange.app.prove.sending import sending_request
from exchange.app.prove.writing import writing_request
from exchange.cli.common import JsonOption, console, print_json, step_progress, table
from exchange.cli.common import exchange as open_exchange
from exchange.cli.prove.servers import compare_servers, material_of_server
from exchange.cli.prove.side import opened
from exchange.cli.prove.twin import requesters, turns, twin
from exchange.cli.service import api_service
from exchange.model.errors import ContentError
from exchange.model.records import Viewer

app = typer.Typer(help="Claims about this exchange that a machine tries to refute.")

Report = Callable[[str, int, int], None]

BROKEN = 10
_ONE_OF = 10
"""Of so many requests one writes, and one is a delivery."""
_TOKENS = ("EXCHANGE_PROVE_TOKEN_1", "EXCHANGE_PROVE_TOKEN_2")
_SEEING = "EXCHANGE_PROVE_TOKEN_ALL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking as one requester; rows `seen` and `hidden` are None where nobody knows."""

    requester: str
    requests: int
    seen: int | None
    hidden: int | None
    leak: Leak | None


@app.callback()
def _group() -> None:
    """Keeps `exchange prove` a group with one command."""


@app.command(name="non-interference")
def non_interference(
    requests: Annotated[
        int,
        typer.Option(min=1, help="Random requests of each participant, shared among its roles and purposes."),
    ] = 2000,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same requests.")] = 1,
    participant: Annotated[
        str | None, typer.Option("--as", help="Only what this participant may ask; default: every one.")
    ] = None,
    against: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Base URLs of two FHIR servers to compare instead; tokens of the same requester in"
            " EXCHANGE_PROVE_TOKEN_1 and _2, of one who sees everything in EXCHANGE_PROVE_TOKEN_ALL.",
        ),
    ] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Print also what was asked for: patient data, mind your screen.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Law 3: what a requester may not see changes no byte and no header of what he is answered.

    The same random requests are asked of this exchange as it is and of it without all that is hidden from the
    requester, in transactions that are rolled back; one in ten writes, one in ten is what would be sent by
    itself. Ends with 10 and the shortest request that differs.
    """
    found = [_servers(against, seed, requests)] if against else list(_requesters(participant, seed, requests))
    if json:
        print_json(
            {"holds": not any(o.leak for o in found), "requesters": [_plain(o, values) for o in found]}
        )
    else:
        _print(found, values)
    if any(outcome.leak for outcome in found):
        raise typer.Exit(BROKEN)


def _requesters(participant: str | None, seed: int, requests: int) -> Iterator[Outcome]:
    exchange = open_exchange()
    viewers = _viewers(exchange, participant)
    asking = Counter(viewer.participant for viewer in viewers)
    progress, report = step_progress()
    with api_service(exchange) as service, progress:
        for viewer in viewers:
            share = Effort(seed, -(-requests // asking[viewer.participant]))
            yield _asked(exchange, service, viewer, share, report)


def _asked(exchange: Exchange, service: Service, viewer: Viewer, effort: Effort, report: Report) -> Outcome:
    """Reading with both worlds open at once; if nothing leaked, writing and sending in turns."""
    name, seed = f"{viewer.participant}/{viewer.role}/{viewer.purpose}", effort.seed
    writing = sending = -(-effort.requests // _ONE_OF)

    def told(done: int) -> None:
        report(name, done, effort.requests)

    with twin(exchange.work.connect, service, viewer, seed) as sides:
        reading = Effort(seed, max(effort.requests - writing - sending, 0))
        leak = first_leak(sides.compare, sides.material, reading, told)
    if leak is None:
        office = post_of(exchange).office
        with turns(exchange.work.connect, service, office, viewer, seed) as worlds:
            leak = first_leak_in_turns(
                worlds.compare, writing_request, worlds.material, Effort(seed, writing), told
            ) or first_leak_in_turns(
                worlds.compare_sent, sending_request, worlds.material, Effort(seed, sending), told
            )
    return Outcome(name, leak.number if leak else effort.requests, sides.seen, sides.hidden, leak)


def _viewers(exchange: Exchange, participant: str | None) -> list[Viewer]:
    """Who may ask; raises ContentError when that is nobody."""
    found = [one for one in requesters(exchange.partners) if participant in (None, one.participant)]
    if not found:
        askers = {one.participant for one in requesters(exchange.partners)}
        raise ContentError("nobody asks under this name", field="--as", valid=sorted(askers))
    return found


def _servers(urls: tuple[str, str], seed: int, requests: int) -> Outcome:
    tokens = [_token(name) for name in _TOKENS]
    seeing = os.environ.get(_SEEING, tokens[0])
    progress, report = step_progress()
    with (
        opened(urls[0], lambda: tokens[0]) as one,
        opened(urls[1], lambda: tokens[1]) as other,
        opened(urls[0], lambda: seeing) as whole,
        progress,
    ):
        material = material_of_server(whole)
        leak = first_leak(
            lambda request: compare_servers(one, other, request),
            material,
            Effort(seed, requests),
            lambda done: report("requests", done, requests),
        )
    return Outcome("two servers", leak.number if leak else requests, None, None, leak)


def _token(name: str) -> str:
    if not os.environ.get(name):
        raise ContentError("must hold an access token for --against", field=name)
    return os.environ[name]


def _plain(outcome: Outcome, values: bool) -> dict[str, object]:
    leak = outcome.leak
    shown = (
        {"number": leak.number, "request": told(leak.request, values), "places": leak.places}
        if leak
        else None
    )
    return {**asdict(outcome), "leak": shown}


def _print(found: list[Outcome], values: bool) -> None:
    table(
        "What is hidden changes no byte",
        ["requester", "requests", "rows seen", "rows hidden", "verdict"],
        [
            [
                o.requester,
                o.requests,
                *("?" if rows is None else f"{rows:,}" for rows in (o.seen, o.hidden)),
                "LEAKS" if o.leak else "holds",
            ]
            for o in found
        ],
    )
    for outcome in found:
        if outcome.leak:
            _print_leak(outcome.requester, outcome.leak, values)


def _print_leak(requester: str, leak: Leak, values: bool) -> None:
    console.print(
        f"\n{requester}, request {leak.number}: {told(leak.request, values)}", markup=False, highlight=False
    )
    for place in leak.places[:20]:
        console.print(f"  differs at {place}", markup=False, highlight=False)
