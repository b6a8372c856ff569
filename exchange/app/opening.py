"""Puts the exchange together from its settings: content, keys, stores, database."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import orjson
import psycopg

from exchange.app.privacy.activation import active_rules
from exchange.app.secrets import load_keyring, load_signing_key
from exchange.connectors import LocalPaths, open_connector
from exchange.consent import Context, Rules, complete_rules, participant
from exchange.consent.words import parse_words
from exchange.content import load_partners, read_tree
from exchange.crypto import Keyring, keyed_hash
from exchange.delivery.subscriptions import register_subscriptions
from exchange.landing import Landing
from exchange.linkage import Features, features, parse_duplicates, parse_model, parse_vocabulary
from exchange.mapping import Maps, load_maps, observed_maps
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Files, Resource
from exchange.pipeline.batches import Batches
from exchange.pipeline.ledger import Connection
from exchange.pipeline.others import other_processes
from exchange.pipeline.pushed import connect_push
from exchange.pipeline.work import Work
from exchange.repository import (
    ensure_running,
    migrate,
    note_empty_index,
    register_participants,
    write_lists_quickly,
)
from exchange.settings import Settings

_log = logging.getLogger("exchange.app")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One deployment, open for work."""

    settings: Settings
    partners: Mapping[str, Partner]
    mappings: Files
    context: Context
    database_url: str
    signing_key: str
    work: Work
    observed: Callable[[Partner], Maps]
    """The maps of a partner compiled so that each row tells what it gave."""
    words: Mapping[str, Mapping[str, str]]
    """Titles of rules and labels in other languages, by their English."""


def partner_environment(settings: Settings) -> dict[str, str]:
    """Values for `${NAME}` in partner.yaml: the environment file's, over which the process's win."""
    named: dict[str, str] = {}
    if settings.environment_file.exists():
        named = orjson.loads(settings.environment_file.read_bytes())
    return {**named, **os.environ}


def local_paths(settings: Settings) -> LocalPaths:
    """Where connectors keep what must outlive a process, and the keys that seal it."""
    return LocalPaths(settings.data / "spool", load_keyring(settings.keyring))


def database_url(settings: Settings) -> str:
    """The PostgreSQL named, or the embedded one, started if need be."""
    return settings.database_url or ensure_running(settings.data / "postgres")


def content(settings: Settings) -> tuple[Files, dict[str, Partner], Context]:
    """mappings/ and consent/ as they lie there; raises ContentError naming file and line."""
    mappings = read_tree(settings.home / "mappings")
    partners = load_partners(mappings)
    return mappings, partners, _context(partners, complete_rules(read_tree(settings.home / "consent")))


def _context(partners: Mapping[str, Partner], rules: Rules) -> Context:
    return Context(rules, {code: participant(partner) for code, partner in partners.items()})


def collect_seldom() -> None:
    """Sets Python's collector of circular garbage to what this process does.

    A batch, and everything that is decided again, is a hundred thousand long-lived objects: at Python's own
    thresholds the collector walks them all again and again and doubles the time of a step.
    """
    gc.set_threshold(100_000, 50, 50)


def open_exchange(settings: Settings, now: Callable[[], datetime] | None = None) -> Exchange:
    """The exchange ready for runs and requests; the database is brought up to this version.

    Raises DecisionFailed when officers must put rules into force and have not, or their record was altered.
    """
    collect_seldom()
    keyring, signing_key = load_keyring(settings.keyring), load_signing_key(settings.signing_key)
    clock = now or (lambda: datetime.now(UTC))
    # All content is read before anything is registered: what cannot be used changes nothing.
    if settings.activation == "demo":
        mappings, partners, context = content(settings)
    else:
        mappings = read_tree(settings.home / "mappings")
        partners = load_partners(mappings)
    model, duplicates = parse_model(mappings), parse_duplicates(mappings)
    features_of = _features(mappings, keyring)
    url = database_url(settings)
    migrate(url)
    connect = _connector(url)
    maps = _once(lambda partner: load_maps(mappings, partner))
    with connect() as connection:
        if settings.activation != "demo":
            context = _context(partners, active_rules(connection, signing_key))
        note_empty_index(connection)
        register_participants(connection, context, clock())
        register_subscriptions(connection, partners, clock())
        connection.commit()
    work = Work(
        connect=connect,
        landing=Landing(settings.landing, keyring),
        batches=Batches(settings.batches, keyring),
        partners=partners,
        maps=maps,
        connector=lambda partner: (
            connect_push(partner, connect, keyring)
            if partner.connector and partner.connector.type == "push"
            else open_connector(partner, partner_environment(settings), local_paths(settings))
        ),
        context=context,
        model=model,
        duplicates=duplicates,
        features=features_of,
        now=clock,
        others=partial(other_processes, partial(_reopened, settings), settings.processes),
    )
    observed = _once(lambda partner: observed_maps(maps(partner)))
    return Exchange(settings, partners, mappings, context, url, signing_key, work, observed, _words(settings))


def _words(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    """They decide nothing, so wrong ones stop nothing: titles are in English until somebody mends them."""
    try:
        return parse_words(read_tree(settings.home / "consent"))
    except ContentError as error:
        _log.warning("titles of rules are shown in English: %s", error)
        return {}


def _reopened(settings: Settings) -> Work:
    return open_exchange(settings).work


def find_partner(partners: Mapping[str, Partner], code: str) -> Partner:
    """The participant with that folder name; raises ContentError with the valid names."""
    if code not in partners:
        raise ContentError("no such partner", file="mappings/", field=code, valid=partners)
    return partners[code]


def _once(load: Callable[[Partner], Maps]) -> Callable[[Partner], Maps]:
    """Large maps take seconds to compile: each partner's are made when they are first asked for, and kept."""
    loaded: dict[str, Maps] = {}

    def maps(partner: Partner) -> Maps:
        if partner.code not in loaded:
            loaded[partner.code] = load(partner)
        return loaded[partner.code]

    return maps


def _features(mappings: Files, keyring: Keyring) -> Callable[[Resource], Features]:
    vocabulary = parse_vocabulary(mappings)

    def hash_identifier(text: str) -> str:
        return keyed_hash(text, keyring, "identity")

    return lambda patient: features(patient, hash_identifier, vocabulary)


def _connector(url: str) -> Callable[[], AbstractContextManager[Connection]]:
    @contextmanager
    def connect() -> Iterator[Connection]:
        with psycopg.connect(url) as connection:
            write_lists_quickly(connection)
            yield connection

    return connect
