"""The loop: events to deliveries, deliveries to their recipients, one at a time for each destination.

Whoever is killed holds nothing: locks end with his connection, and what was not noted as taken is sent again
under the same idempotency key.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg

from exchange.connectors.channels import DownloadOptions, channel_options
from exchange.delivery.acknowledgement import Verdict
from exchange.delivery.channels import Send, open_channel
from exchange.delivery.composing import compose
from exchange.delivery.downloads import end_expired, offer
from exchange.delivery.events import Due
from exchange.delivery.filling import filled
from exchange.delivery.handshake import HEARTBEAT_DUE, heartbeat, shake_hands
from exchange.delivery.outcomes import close, close_untold, next_due, put_off
from exchange.delivery.parcel import Office
from exchange.delivery.spreading import open_deliveries, spread
from exchange.delivery.subscriptions import Subscription, end_over, subscriptions
from exchange.model.errors import Conflict, ContentError

log = logging.getLogger(__name__)
_DESTINATION = 0x64656C6976
_DESTINATIONS_AT_ONCE = 8
_TURN_SECONDS = 20.0
Connect = Callable[[], AbstractContextManager[psycopg.Connection]]


@dataclass(frozen=True, slots=True)
class Post:
    """Everything a worker needs; `environment` has the secrets that channels name."""

    connect: Connect
    office: Office
    environment: Mapping[str, str]


def deliver(post: Post, every: Sequence[str] = ("at-once",)) -> Counter[str]:
    """Sends what is due in these rhythms, and what is to be tried again; counts by outcome."""
    waiting = _due(post, every)
    total: Counter[str] = Counter()
    if len(waiting) == 1:
        return _destination(post, waiting[0], every)
    if waiting:
        with ThreadPoolExecutor(_DESTINATIONS_AT_ONCE, thread_name_prefix="delivery") as pool:
            for counts in pool.map(lambda subscription: _destination(post, subscription, every), waiting):
                total += counts
    return total


def turns(post: Post, every: Sequence[str] = ("at-once",)) -> Iterator[Counter[str]]:
    """Turn after turn without end; a destination that is slow keeps no turn waiting. Counts of what ended."""
    at_work: dict[int, Future[Counter[str]]] = {}
    pool = ThreadPoolExecutor(_DESTINATIONS_AT_ONCE, thread_name_prefix="delivery")
    try:
        while True:
            for subscription in _due(post, every):
                if subscription.number not in at_work:
                    until = time.monotonic() + _TURN_SECONDS
                    at_work[subscription.number] = pool.submit(_destination, post, subscription, every, until)
            total: Counter[str] = Counter()
            for number in [number for number, work in at_work.items() if work.done()]:
                total += at_work.pop(number).result()
            yield total
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _due(post: Post, every: Sequence[str]) -> list[Subscription]:
    with post.connect() as conn:
        while spread(conn):
            conn.commit()
        end_over(conn, post.office.now())
        conn.commit()
        return _waiting(conn, every, post.office.now())


def _waiting(conn: psycopg.Connection, every: Sequence[str], at: datetime) -> list[Subscription]:
    """Destinations for which something waits or is open, or was not fetched in time."""
    rows = conn.execute(
        "SELECT subscription FROM subscription s WHERE EXISTS ("
        "  SELECT FROM delivery d WHERE d.subscription = s.subscription"
        "   AND (d.state = 'open' OR d.state = 'ready' AND d.expires <= %(at)s))"
        " OR s.facts ->> 'every' = ANY(%(every)s) AND EXISTS ("
        "  SELECT FROM delivery_event e WHERE e.subscription = s.subscription AND e.delivery IS NULL)"
        f" OR {HEARTBEAT_DUE}",
        {"at": at, "every": list(every)},
    ).fetchall()
    numbers = {row[0] for row in rows}
    return [
        found
        for found in subscriptions(conn)
        if found.paused is None
        and (found.status == "requested" or (found.status == "active" and found.number in numbers))
    ]


def _destination(
    post: Post, subscription: Subscription, every: Sequence[str], until: float = math.inf
) -> Counter[str]:
    """One destination, by one process at a time and in order; what is left at `until` waits.

    `until` is a moment of the monotonic clock.
    """
    counts: Counter[str] = Counter()
    with post.connect() as conn:
        conn.autocommit = True
        with _alone(conn, subscription) as alone:
            if not alone:
                return counts
            try:
                if subscription.delivery.channel.type == "download":
                    return _offered(conn, post, subscription, every)
                with _opened(post, subscription) as send:
                    if subscription.status == "requested":
                        counts[shake_hands(conn, subscription, send, post.office)] += 1
                        return counts
                    while True:
                        with conn.transaction():
                            open_deliveries(conn, subscription.number, every, post.office.now())
                        if not _round(conn, post.office, subscription, send, counts, until):
                            break
                    if beat := heartbeat(conn, subscription, send, post.office):
                        counts[beat] += 1
                    return counts
            except ContentError as problem:
                counts["misconfigured"] += 1
                _note_problem(conn, subscription, problem)
                return counts


def _opened(post: Post, subscription: Subscription) -> AbstractContextManager[Send]:
    return open_channel(subscription, post.environment, post.office.signing_key, post.office.keyring)


def _offered(
    conn: psycopg.Connection, post: Post, subscription: Subscription, every: Sequence[str]
) -> Counter[str]:
    """What is due waits from now on to be fetched; nothing leaves here."""
    channel, office = subscription.delivery.channel, post.office
    options = channel_options(subscription.participant, subscription.name, channel, post.environment)
    if not isinstance(options, DownloadOptions):
        raise AssertionError(f"a download with {type(options).__name__}")
    counts: Counter[str] = Counter()
    counts["expired"] = end_expired(conn, subscription.number, office.now())
    opened = True
    while opened:
        with conn.transaction():
            opened = open_deliveries(conn, subscription.number, every, office.now()) > 0
        while due := next_due(conn, subscription, office.now()):
            due = filled(conn, due, office)
            counts["ready" if offer(conn, due, office, options) else "nothing"] += 1
    return +counts


@contextmanager
def _alone(conn: psycopg.Connection, subscription: Subscription) -> Iterator[bool]:
    """Whether no other process sends there; given back at once, as the end of a connection takes its time."""
    key = (_DESTINATION << 24) + subscription.number
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    got = bool(row and row[0])
    try:
        yield got
    finally:
        if got:
            with suppress(psycopg.Error):
                conn.execute("SELECT pg_advisory_unlock(%s)", (key,))


def _round(
    conn: psycopg.Connection,
    office: Office,
    subscription: Subscription,
    send: Send,
    counts: Counter[str],
    until: float,
) -> bool:
    """Tries everything that is due; False when nothing was, nothing gets through, or the time is over."""
    tried = False
    while time.monotonic() < until:
        due = next_due(conn, subscription, office.now())
        if due is None:
            return tried
        tried = True
        try:
            counts[_tried(conn, office, due, send)] += 1  # nothing gets through: nothing is due for a while
        except (Conflict, ContentError, psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as problem:  # a fault of ours with one record keeps no other waiting
            name = type(problem).__name__
            log.error("%s: a delivery failed with %s and is put off", subscription.code, name)
            put_off(conn, due, Verdict("failed", f"an error of the exchange's own: {name}"), office.now())
            counts["failed"] += 1
    return False


def _tried(conn: psycopg.Connection, office: Office, due: Due, send: Send) -> str:
    """One attempt and what is noted of it."""
    due = filled(conn, due, office)
    parcel = compose(conn, due, office)
    if parcel is None:
        close_untold(conn, due, office.now())
        return "nothing"
    verdict = send(parcel)
    with conn.transaction():
        close(conn, due, parcel, verdict, office.now())
    return verdict.kind


def _note_problem(conn: psycopg.Connection, subscription: Subscription, problem: ContentError) -> None:
    conn.execute(
        "UPDATE delivery SET problem = %s WHERE subscription = %s AND state = 'open'",
        (str(problem), subscription.number),
    )
