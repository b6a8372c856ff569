"""Other processes of this machine that take chunks of a run through a step, each with a Work of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from exchange.model.errors import ExchangeError
from exchange.pipeline.work import ChunkStep, Others, Work, lasting

Taken = TypeVar("Taken")

_opened: list[Work] = []  # of this process, when it is one of the others


class ProcessEnded(ExchangeError):
    """One of the others ended before its work was done; what it had not committed was undone."""

    retry = "retry"
    http_status = 503
    issue_code = "transient"


@contextmanager
def other_processes(reopen: Callable[[], Work], processes: int) -> Iterator[Others]:
    """All but this of so many processes. Each is started when something is given to it that none is free for.

    `reopen` is pickled and gives each of them its Work. They end with this one, killed or not.
    Raises ProcessEnded when one of them did before.
    """
    start = get_context("spawn")
    with ProcessPoolExecutor(max(processes - 1, 1), start, initializer=_begin, initargs=(reopen,)) as pool:

        def give(step: ChunkStep[Taken], partner: str, run: int, chunk: int) -> Future[Taken]:
            return pool.submit(_take, step, partner, run, chunk)

        try:
            yield Others(processes - 1, give)
        except BrokenProcessPool:
            raise ProcessEnded(
                "another process of this run ended before its work, killed for want of memory perhaps; run it"
                " again, with fewer of them (`EXCHANGE_PROCESSES`) if this comes back"
            ) from None


def _begin(reopen: Callable[[], Work]) -> None:
    """Opens what a process needs, and sees that it ends with the one that started it, killed or not."""
    Thread(target=_end_with_parent, daemon=True).start()
    _opened.append(ExitStack().enter_context(lasting(reopen())))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take(step: ChunkStep[Taken], partner: str, run: int, chunk: int) -> Taken:
    (work,) = _opened
    return step(work, work.partners[partner], run, chunk)
