"""`exchange delivery`: what goes out by itself, what waits, what was refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, get_args
from uuid import UUID

import typer

from exchange.app import find_partner
from exchange.app.partners.delivering import post_of
from exchange.cli.common import JsonOption, console, exchange, print_json, table
from exchange.delivery.outcomes import Standing, replay, standings
from exchange.delivery.receipts import receipts
from exchange.delivery.sending import deliver, turns
from exchange.delivery.subscriptions import pause, subscriptions
from exchange.model.delivery import Rhythm
from exchange.model.errors import ContentError

app = typer.Typer(help="What goes out by itself: subscriptions, deliveries, receipts.")
Code = Annotated[str, typer.Argument(help="The destination: <participant>/<name of the delivery>.")]
_RHYTHMS = get_args(Rhythm)


@app.command(name="list")
def list_deliveries(json: JsonOption = False) -> None:
    """List the destinations in force, and what is open for each."""
    with exchange().work.connect() as connection:
        found = subscriptions(connection)
        open_ones = standings(connection, ["open"], 10_000)
        parked = standings(connection, ["parked"], 10_000)
    if json:
        print_json(found)
        return
    rows = [
        [s.code, ", ".join(s.delivery.topics), s.delivery.channel.type, s.delivery.every,
         sum(o.code == s.code for o in open_ones), sum(p.code == s.code for p in parked),
         s.notifications, "paused" if s.paused else ""]
        for s in found
    ]  # fmt: skip
    columns = ["destination", "topics", "channel", "every", "open", "parked", "told", ""]
    table("Deliveries", columns, rows)


@app.command()
def run(
    every: Annotated[str, typer.Option(help="at-once, hourly or nightly.")] = "at-once",
    once: Annotated[bool, typer.Option("--once", help="One turn; without it, until interrupted.")] = False,
    pause_seconds: Annotated[float, typer.Option(min=0.05, help="Between two turns.")] = 0.5,
    heartbeat: Annotated[Path | None, typer.Option(help="File to touch after each turn.")] = None,
) -> None:
    """Send what is due. Several may run: each destination is served by one at a time."""
    if every not in _RHYTHMS:
        raise ContentError("no such rhythm", field="--every", valid=_RHYTHMS)
    post = post_of(exchange())
    for counts in [deliver(post, (every,))] if once else turns(post, (every,)):
        if counts:
            told = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
            console.print(told, highlight=False)
        if heartbeat:
            heartbeat.touch()
        if not once:
            time.sleep(pause_seconds)


@app.command()
def parked(json: JsonOption = False) -> None:
    """List what a receiver refused, or answered so that what it took cannot be told."""
    with exchange().work.connect() as connection:
        found = standings(connection, ["parked"])
    _print("Parked deliveries", found, json)


@app.command()
def waiting(json: JsonOption = False) -> None:
    """List what is tried again, with the reason of the last attempt."""
    with exchange().work.connect() as connection:
        found = standings(connection, ["open"])
    _print("Open deliveries", found, json)


def _print(title: str, found: list[Standing], json: bool) -> None:
    if json:
        print_json([{**_plain(s), "delivery": str(s.delivery)} for s in found])
        return
    rows = [
        [str(s.delivery), s.code, ", ".join(s.topics), s.attempts, f"{s.next_attempt:%Y-%m-%d %H:%M:%S}",
         s.problem or ""]
        for s in found
    ]  # fmt: skip
    table(title, ["delivery", "destination", "topics", "attempts", "next", "problem"], rows)


def _plain(found: Standing) -> dict[str, object]:
    return {name: getattr(found, name) for name in Standing.__slots__}


@app.command(name="replay")
def replay_parked(
    code: Code,
    delivery: Annotated[
        str | None, typer.Option(help="One of them; without it, all of the destination.")
    ] = None,
) -> None:
    """Let parked deliveries be decided and sent anew, as their records are now."""
    opened = exchange()
    with opened.work.connect() as connection:
        events = replay(connection, code, UUID(delivery) if delivery else None, opened.work.now())
        connection.commit()
    console.print(f"{events:,} events wait again", highlight=False)


@app.command(name="pause")
def pause_destination(code: Code) -> None:
    """Stop sending to a destination; what happens meanwhile waits for it."""
    opened = exchange()
    with opened.work.connect() as connection:
        pause(connection, code, opened.work.now())
        connection.commit()
    console.print(f"{code}: paused", highlight=False)


@app.command()
def resume(code: Code) -> None:
    """Go on sending to a destination, at once."""
    with exchange().work.connect() as connection:
        pause(connection, code, None)
        connection.commit()
    console.print(f"{code}: goes on", highlight=False)


@app.command(name="receipts")
def list_receipts(
    participant: Annotated[str | None, typer.Option(help="Of one participant alone.")] = None,
    json: JsonOption = False,
) -> None:
    """List who got which version of what, when, why, by whose word, and whether he has it."""
    opened = exchange()
    if participant:
        find_partner(opened.partners, participant)
    with opened.work.connect() as connection:
        found = receipts(connection, participant)
    if json:
        print_json([{name: _text(getattr(r, name)) for name in r.__slots__} for r in found])
        return
    rows = [
        [r.receipt, f"{r.at:%Y-%m-%d %H:%M}", f"{r.participant}/{r.name}", r.purpose, len(r.items),
         ", ".join(r.because), ", ".join(f"{k} {n}" for k, n in r.withheld.items()), r.outcome or ""]
        for r in found
    ]  # fmt: skip
    columns = ["receipt", "when", "to", "purpose", "records", "because", "withheld", "outcome"]
    table("Receipts", columns, rows)


def _text(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
