"""Mapping and safeguarding of a large run on all cores: the two steps that look at one chunk alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from threading import Thread

from exchange.model.partner import Partner
from exchange.pipeline.steps import prepare_step
from exchange.pipeline.work import Work

WORTH_IT = 50_000
"""Records from which on another process saves more than the two seconds that it takes to start."""

_opened: list[Work] = []  # of this process, when it is one of the others


def take_ahead(
    reopen: Callable[[], Work], processes: int, work: Work, partner: Partner, run: int, chunks: Sequence[int]
) -> Iterator[int]:
    """Takes chunks through both steps in this process and others; yields how many are done.

    `reopen` is pickled and gives each other process a Work of its own. A chunk that fails raises here what
    it raised there; what was not taken waits for the next attempt.
    """
    if processes < 2 or len(chunks) * partner.chunk_records < WORTH_IT:
        return
    waiting, running, done = deque(chunks), set[Future[None]](), 0
    start = get_context("spawn")
    with ProcessPoolExecutor(processes - 1, start, initializer=_begin, initargs=(reopen,)) as others:
        while waiting or running:
            # One each: of what waits at one that is still starting, this process would take none.
            while waiting and len(running) < processes - 1:
                running.add(others.submit(_take, partner.code, run, waiting.popleft()))
            if waiting:
                prepare_step(work, partner, run, waiting.pop())
                done += 1
            finished, running = wait(running, 0 if waiting else None, FIRST_COMPLETED)
            for future in finished:
                future.result()
            done += len(finished)
            yield done


def _begin(reopen: Callable[[], Work]) -> None:
    """Opens what a process needs, and sees that it ends with the one that started it, killed or not."""
    Thread(target=_end_with_parent, daemon=True).start()
    _opened.append(reopen())


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take(partner: str, run: int, chunk: int) -> None:
    (work,) = _opened
    prepare_step(work, work.partners[partner], run, chunk)
