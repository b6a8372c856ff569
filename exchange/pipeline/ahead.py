"""A large run on all cores: mapping and safeguarding look at one chunk alone, publishing at what it names."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import NamedTuple

from exchange.model.partner import Partner
from exchange.pipeline import ledger
from exchange.pipeline.footprints import ALONE, Footprint, next_apart
from exchange.pipeline.work import ChunkStep, Others, Work

WORTH_IT = 50_000
"""Records from which on another process saves more than the two seconds that it takes to start."""
WINDOW = 8
"""Chunks among which those are looked for that have nothing to do with each other."""


def worth_it(others: Others, partner: Partner, chunks: Sequence[int]) -> bool:
    """Whether other processes are there, and enough for them to do."""
    return others.number > 0 and len(chunks) * partner.chunk_records >= WORTH_IT


def take_ahead(
    others: Others, step: ChunkStep[None], work: Work, partner: Partner, run: int, chunks: Sequence[int]
) -> Iterator[int]:
    """Takes chunks through a step in this process and others, in any order; yields how many are done.

    A chunk that fails raises here what it raised there; what was not taken waits for the next attempt.
    """
    waiting, running, done = deque(chunks), set[Future[None]](), 0
    while waiting or running:
        # One each: of what waits at one that is still starting, this process would take none.
        while waiting and len(running) < others.number:
            running.add(others.give(step, partner.code, run, waiting.popleft()))
        if waiting:
            step(work, partner, run, waiting.pop())
            done += 1
        finished, running = wait(running, 0 if waiting else None, FIRST_COMPLETED)
        for future in finished:
            future.result()
        done += len(finished)
        yield done


@contextmanager
def taken_meanwhile(
    others: Others, step: ChunkStep[None], work: Work, partner: Partner
) -> Iterator[Callable[[int], None]]:
    """While a run is pulled, other processes take its full chunks through a step; raises what one raised.

    To be told the run whenever some of it was committed. Not where messages say what those before them
    left empty: which they were is known when all are pulled.
    """
    given: dict[int, Future[None]] = {}
    messages = any(feed.format == "hl7v2" for feed in partner.feeds.values())

    def filled(run: int) -> None:
        with work.connect() as connection:
            full = ledger.chunks_of(connection, run)[:-1]
        if messages or not worth_it(others, partner, full):
            return
        # Two each: what one has done is found out at the next commit.
        free = 2 * others.number - sum(not future.done() for future in given.values())
        for chunk in [chunk for chunk in full if chunk not in given][:free]:
            given[chunk] = others.give(step, partner.code, run, chunk)

    yield filled
    for future in given.values():
        future.result()


class _Chunk(NamedTuple):
    number: int
    footprint: Footprint


class Publishing(NamedTuple):
    """How a chunk of a run is published: `beside` others, which may refuse and do nothing, or `alone`."""

    beside: ChunkStep[bool]
    alone: ChunkStep[None]
    footprint: Callable[[int], Footprint]


def publish_beside(
    others: Others, how: Publishing, work: Work, partner: Partner, run: int, chunks: Sequence[int]
) -> Iterator[int]:
    """Publishes chunks in this process and others; yields how many are done.

    The order is that of the chunks wherever it matters. One that turns out to reach what others may be
    writing is published again when they are done.
    """
    coming, waiting, done = deque(chunks), deque[_Chunk](), 0
    running: dict[Future[bool], _Chunk] = {}
    here: Future[bool] | None = None
    with ThreadPoolExecutor(1) as own:  # in a thread, so that who is done meanwhile is seen at once
        while coming or waiting or running:
            while coming and len(waiting) < WINDOW:
                number = coming.popleft()
                waiting.append(_Chunk(number, how.footprint(number)))
            chunk = _taken(waiting, running.values()) if len(running) <= others.number else None
            if chunk is None:
                for ended, published in _ended(running):
                    done += published
                    if not published:  # in its place: what it passed by comes before it still
                        waiting = deque(sorted([*waiting, _Chunk(ended.number, ALONE)]))
                yield done
            elif chunk.footprint.alone or (not running and _next(waiting, [chunk]) is None):
                how.alone(work, partner, run, chunk.number)
                done += 1
                yield done
            elif here in running:
                running[others.give(how.beside, partner.code, run, chunk.number)] = chunk
            else:
                here = own.submit(how.beside, work, partner, run, chunk.number)
                running[here] = chunk


def _ended(running: dict[Future[bool], _Chunk]) -> list[tuple[_Chunk, bool]]:
    """Waits for one at least; what has ended runs no more."""
    finished, _ = wait(running, None, FIRST_COMPLETED)
    return [(running.pop(future), future.result()) for future in finished]


def _taken(waiting: deque[_Chunk], running: Iterable[_Chunk]) -> _Chunk | None:
    """The next that may be published beside those running, no longer among those that wait."""
    place = _next(waiting, running)
    if place is None:
        return None
    chunk = waiting[place]
    del waiting[place]
    return chunk


def _next(waiting: Iterable[_Chunk], running: Iterable[_Chunk]) -> int | None:
    return next_apart([each.footprint for each in waiting], [each.footprint for each in running])
