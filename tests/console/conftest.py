"""A console served over HTTP on two clinics' data, and people who are signed in to it."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
import requests
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from psycopg.conninfo import conninfo_to_dict

from exchange.app import Exchange, find_partner, open_exchange
from exchange.cli.desk import desk_of
from exchange.console import Desk
from exchange.console.accounts import Role, add_account, find_account, make_link
from exchange.console.serve import config
from exchange.pipeline.steps import run_partner
from exchange.settings import load_settings
from tests.conftest import copied_database
from tests.pipeline.twins import make_twins

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@dataclass(frozen=True)
class Served:
    """The console where it answers, and the cookies of those who signed in to it once."""

    desk: Desk
    url: str
    signed_in: dict[tuple[str, str | None], dict[str, str]] = field(default_factory=dict)
    proofs: dict[str, str] = field(default_factory=dict)

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
        """Somebody signed in, without a browser, in a session that tests share."""
        if (role, participant) not in self.signed_in:
            self.signed_in[role, participant] = self.newcomer(role, participant).session.cookies.get_dict()
        visitor = Visitor(self.url, requests.Session())
        visitor.session.cookies.update(self.signed_in[role, participant])
        return visitor

    def proof(self, role: Role, visitor: Visitor) -> str:
        """What forms of that person's pages carry."""
        if role not in self.proofs:
            self.proofs[role] = re.findall(r'name="csrf" value="(\w+)"', visitor.get("/account").text)[0]
        return self.proofs[role]

    def newcomer(self, role: Role, participant: str | None = None) -> Visitor:
        """The same in a session of its own, for whoever ends it."""
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


@pytest.fixture(scope="session")
def twins(
    tmp_path_factory: pytest.TempPathFactory, database_server: str, database_template: str
) -> Iterator[tuple[Path, str]]:
    """Two clinics that sent what they have: a folder and the name of a database, to be copied."""
    folder = tmp_path_factory.mktemp("twins")
    with copied_database(database_server, database_template) as url:
        run_twins(make_twins(folder), folder, url)
        yield folder, conninfo_to_dict(url)["dbname"]


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, database_server: str, twins: tuple[Path, str]
) -> Iterator[Exchange]:
    """The clinics for a module of tests alone."""
    folder, (original, database) = tmp_path_factory.mktemp("console"), twins
    shutil.copytree(original, folder, dirs_exist_ok=True)
    for file in folder.glob("home/mappings/*/partner.yaml"):
        file.write_text(file.read_text().replace(str(original), str(folder)))
    with copied_database(database_server, database) as url:
        yield open_twins(folder / "home", folder, url)


def run_twins(home: Path, folder: Path, database: str) -> Exchange:
    """The exchange after both clinics' runs."""
    exchange = open_twins(home, folder, database)
    for code in ("elm_clinic", "oak_clinic"):
        run_partner(exchange.work, find_partner(exchange.partners, code))
    return exchange


def open_twins(home: Path, folder: Path, database: str) -> Exchange:
    """The exchange as it was left."""
    return open_exchange(
        load_settings(
            {
                "EXCHANGE_HOME": str(home),
                "EXCHANGE_DATA": str(folder / "data"),
                "EXCHANGE_DATABASE_URL": database,
            }
        )
    )


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


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all tests of the console; it is gone before others begin, which may have loops of their own."""
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
        served.visitor(role, participant)
        cookies = served.signed_in[role, participant].items()
        context.add_cookies([{"name": name, "value": value, "url": served.url} for name, value in cookies])
        page.goto(served.url + path)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert told == []
