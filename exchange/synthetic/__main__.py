"""`python -m exchange.synthetic`: write a coalition to disk, or serve its partner systems on loopback."""

from __future__ import annotations

import argparse
import asyncio
import signal
from datetime import date
from pathlib import Path

from exchange.synthetic.coalition import generate
from exchange.synthetic.day import write_day
from exchange.synthetic.person import REFERENCE_DAY
from exchange.synthetic.servers.coalition import Plan, Systems, running


def main() -> None:
    """Parse the command line and do it."""
    options = _parser().parse_args()
    coalition = generate(options.size, options.seed, options.today)
    if options.command == "generate":
        for day in range(1, options.day + 1):
            write_day(coalition, options.folder, day)
    else:
        listener = (options.mllp_host, options.mllp_port) if options.mllp_port else None
        asyncio.run(_serve(Plan(coalition, options.folder, options.day, listener, options.port)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m exchange.synthetic", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("generate", "write the partners' data and the truth below a folder"),
        ("serve", "the same, and serve it; environment.json names addresses and secrets, READY says when"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--folder", type=Path, required=True)
        command.add_argument("--size", type=int, default=2000, help="people (default 2000)")
        command.add_argument("--seed", type=int, default=1)
        command.add_argument(
            "--day", type=int, default=1, help="1: everything so far; 2 and on: later days too"
        )
        command.add_argument(
            "--today", type=date.fromisoformat, default=REFERENCE_DAY, help="the date of day 1"
        )
    command.add_argument("--port", type=int, default=0, help="of the HTTP systems (default: a free one)")
    command.add_argument("--mllp-host", default="127.0.0.1", help="where the hospital sends its messages")
    command.add_argument("--mllp-port", type=int, help="without it the hospital sends nothing")
    return parser


async def _serve(plan: Plan) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    async with running(plan) as systems:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        ready = asyncio.create_task(_say_ready(systems))
        await stop.wait()
        ready.cancel()


async def _say_ready(systems: Systems) -> None:
    """Once everything answers and the hospital's messages are delivered."""
    await systems.delivered()
    print("READY", flush=True)


if __name__ == "__main__":
    main()
