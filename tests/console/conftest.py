"""A console served over HTTP on two clinics' data, and people who are signed in to it."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
import requests
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from exchange.app import Exchange, find_partner, open_exchange
from exchange.cli.desk import desk_of
from exchange.console import Desk
from exchange.console.accounts import Role, add_account, find_account, make_link
from exchange.console.serve import config
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.pipeline.twins import make_twins

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@dataclass(frozen=True)
class Served:
    """The console where it answers."""

    desk: Desk
    url: str

    def link(self, role: Role, participant: str | None = None) -> str:
        """A link that signs in once as a person of that role."""
        exchange = self.desk.exchange
        login = f"{role}-{participant or 'all'}"
        with exchange.work.connect() as connection:
            if find_account(connection, login) is None:
                add_account(connection, login, f"Person of {role}", [role], participant, exchange.work.now())
            token = make_link(connection, login, exchange.work.now() + timedelta(hours=1))
            connection.commit()
        return f"{self.url}/link/{token}"

    def visitor(self, role: Role, participant: str | None = None) -> Visitor:
        """Somebody signed in, without a browser."""
        visitor = Visitor(self.url, requests.Session())
        visitor.post(self.link(role, participant).removeprefix(self.url))
        return visitor


@dataclass(frozen=True)
class Visitor:
    """A client that keeps cookies and sends forms as the pages' forms do."""

    url: str
    session: requests.Session

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, **options)

    def post(self, path: str, page: str | None = None, **fields: Any) -> requests.Response:
        """Sends a form of the page (its own address if not said) with that page's proof."""
        found = re.search(r'name="csrf" value="(\w+)"', self.get(page or path).text)
        data = {**fields, **({"csrf": found[1]} if found else {})}
        return self.session.post(self.url + path, data=data, timeout=60)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Exchange:
    """Two clinics that sent what they have."""
    folder = tmp_path_factory.mktemp("console")
    return run_twins(make_twins(folder), folder, module_database)


def run_twins(home: Path, folder: Path, database: str) -> Exchange:
    """The exchange after both clinics' runs."""
    exchange = open_exchange(
        load_settings(
            {
                "EXCHANGE_HOME": str(home),
                "EXCHANGE_DATA": str(folder / "data"),
                "EXCHANGE_DATABASE_URL": database,
            }
        )
    )
    for code in ("elm_clinic", "oak_clinic"):
        run_partner(exchange.work, find_partner(exchange.partners, code))
    return exchange


@pytest.fixture(scope="module")
def served(opened: Exchange) -> Iterator[Served]:
    with serving(opened) as found:
        yield found


@contextmanager
def serving(exchange: Exchange, **options: Any) -> Iterator[Served]:
    """A console on a free port while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with desk_of(exchange, f"http://127.0.0.1:{port}", **options) as desk:
        server = uvicorn.Server(config(desk, "127.0.0.1", port))
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            sleep(0.01)
        yield Served(desk, desk.base_url)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield found
        found.close()


@pytest.fixture
def browse(served: Served, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in Chromium as somebody of a role; fails the test on any error the browser tells."""
    contexts, told = [], []

    def opening(role: Role, path: str = "/", participant: str | None = None, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.goto(served.link(role, participant))
        page.locator("main button").click()
        page.goto(served.url + path)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert told == []
