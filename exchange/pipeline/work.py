"""Everything the steps need, put together once by the application and handed down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from exchange.connectors import Connector
from exchange.consent import Context
from exchange.landing import Landing
from exchange.linkage import DuplicateRules, Features, Model
from exchange.mapping import Maps
from exchange.model.partner import Partner
from exchange.model.records import Resource
from exchange.pipeline.batches import Batches
from exchange.pipeline.ledger import Connection

Result = TypeVar("Result")
Taken = TypeVar("Taken", covariant=True)


class ChunkStep(Protocol[Taken]):
    """A step that takes one chunk of a run."""

    def __call__(self, work: Work, partner: Partner, run: int, chunk: int, /) -> Taken:
        """Takes it, once, however often it is called."""


class Give(Protocol):
    """Hands a chunk to another process: step, partner's code, run, chunk."""

    def __call__(self, step: ChunkStep[Result], partner: str, run: int, chunk: int, /) -> Future[Result]:
        """What comes of it, or what it raised there."""


@dataclass(frozen=True, slots=True)
class Others:
    """Processes beside this one, so many, that take chunks of a run."""

    number: int
    give: Give


@dataclass(frozen=True, slots=True)
class Work:
    """The outside world of a run: database, stores, content, clock, and `others` that work beside it."""

    connect: Callable[[], AbstractContextManager[Connection]]
    landing: Landing
    batches: Batches
    partners: Mapping[str, Partner]
    maps: Callable[[Partner], Maps]
    connector: Callable[[Partner], Connector]
    context: Context
    model: Model
    duplicates: DuplicateRules
    features: Callable[[Resource], Features]
    now: Callable[[], datetime]
    others: Callable[[], AbstractContextManager[Others]]


@contextmanager
def lasting(work: Work) -> Iterator[Work]:
    """The same outside world, whose connections stay open from one use to the next while this does.

    A new one is a new process of the server, which reads the catalogue before its first answer; a chunk
    uses a dozen.
    """
    idle: list[Connection] = []
    with ExitStack() as opened:

        @contextmanager
        def lent() -> Iterator[Connection]:
            connection = idle.pop() if idle else opened.enter_context(work.connect())
            # Tables grow while a run lasts: no plan is kept that was made when they were small.
            connection.prepare_threshold = None
            try:
                yield connection
                connection.commit()
            finally:
                if not connection.closed:
                    connection.rollback()
                    idle.append(connection)

        yield replace(work, connect=lent)
