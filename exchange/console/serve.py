"""Runs the console with uvicorn; TLS ends at a proxy in front unless it is on loopback."""

from __future__ import annotations

import logging
from contextlib import suppress
from threading import Thread

import uvicorn

from exchange.console.app import create_console
from exchange.console.desk import Desk
from exchange.model.errors import ExchangeError


def serve(desk: Desk, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM."""
    Thread(target=compile_maps, args=(desk,), daemon=True).start()
    uvicorn.Server(config(desk, host, port)).run()


def compile_maps(desk: Desk) -> None:
    """Ahead of the first who opens a record, as large maps take seconds; a wrong one is told on its page."""
    for partner in desk.exchange.partners.values():
        if partner.feeds:
            with suppress(ExchangeError):
                desk.exchange.observed(partner)


def config(desk: Desk, host: str, port: int) -> uvicorn.Config:
    """How the server runs; addresses of pages are in the audit log, not in a log file."""
    logging.getLogger("uvicorn.access").disabled = True
    return uvicorn.Config(
        create_console(desk),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
