"""The MLLP listener: acknowledges a message (AA) only once its journal has it on the disk.

Commits are shared: while one batch is being written, what arrives on any connection gathers into the
next. A sender that waits for each acknowledgement and one that sends ten thousand messages ahead are
served by the same loop; answers keep the order of the messages.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex

from exchange.connectors.journal import JournalWriter
from exchange.connectors.mllp import spool_folder
from exchange.connectors.mllp_answer import NOT_KEPT, Header, Problem, answer, problem_of, read_header
from exchange.connectors.mllp_frames import Block, BlockReader
from exchange.connectors.opening import LocalPaths
from exchange.connectors.options import MllpOptions, read_options
from exchange.model.errors import ContentError
from exchange.model.partner import Partner

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 18
# A sender may send its whole burst before it reads the first answer.
_UNREAD_ANSWERS_BYTES = 32 << 20
_FAREWELL_SECONDS = 5
Land = Callable[[Sequence[bytes]], None]


@dataclass(slots=True)
class _Landing:
    payloads: list[bytes]
    kept: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Listener:
    """What connections share: the queue to the journal, and how much each may ask for."""

    queue: asyncio.Queue[_Landing]
    largest_message: int
    places: asyncio.Semaphore
    open: dict[asyncio.Task[None], tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@asynccontextmanager
async def listening(
    options: MllpOptions, land: Land, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Listens within the block and gives the address; on the way out finishes what it has received."""
    listener = Listener(
        asyncio.Queue(), options.largest_message_mb << 20, asyncio.Semaphore(options.connections), {}
    )
    committer = asyncio.create_task(_commit_batches(listener.queue, land))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_converse(listener, reader, writer))
        listener.open[task] = reader, writer
        task.add_done_callback(listener.open.pop)

    server = await asyncio.start_server(
        accept, options.host, options.port, limit=_READ_BYTES, ssl=tls, backlog=128
    )
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()
        await _finish(listener)
        committer.cancel()
        with suppress(asyncio.CancelledError):
            await committer


async def _finish(listener: Listener) -> None:
    """Answers what has been received and then hangs up."""
    for reader, writer in listener.open.values():
        if isinstance(writer.transport, asyncio.ReadTransport):
            writer.transport.pause_reading()
        reader.feed_eof()
    if listener.open:
        _, late = await asyncio.wait(listener.open, timeout=_FAREWELL_SECONDS)
        for task in late:
            task.cancel()


async def _converse(listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection from the first byte to the last."""
    writer.transport.set_write_buffer_limits(high=_UNREAD_ANSWERS_BYTES)
    blocks = BlockReader(listener.largest_message)
    try:
        async with listener.places:
            while data := await reader.read(_READ_BYTES):
                if received := blocks.feed(data):
                    writer.write(await _answers(listener.queue, received))
                    await writer.drain()
    except (ConnectionError, TimeoutError, ssl.SSLError):
        log.info("a sender's connection broke off")
    finally:
        writer.close()


async def _answers(queue: asyncio.Queue[_Landing], blocks: Sequence[Block]) -> bytes:
    """Acknowledgements of all blocks, once the good ones among them are kept."""
    read = [(block, header := read_header(block.content), problem_of(block, header)) for block in blocks]
    good = [block.content for block, _, problem in read if problem is None]
    kept = await _keep(queue, good) if good else True
    if len(good) < len(read):
        log.warning("%d messages refused: not HL7 v2, too long or without MSH-10", len(read) - len(good))
    return b"".join(_answer(header, problem, kept) for _, header, problem in read)


def _answer(header: Header | None, problem: Problem | None, kept: bool) -> bytes:
    control_id, now = token_hex(10), datetime.now(UTC)
    if problem is not None:
        return answer(header, "AR", problem, control_id, now)
    if not kept:
        return answer(header, "AE", NOT_KEPT, control_id, now)
    return answer(header, "AA", None, control_id, now)


async def _keep(queue: asyncio.Queue[_Landing], payloads: list[bytes]) -> bool:
    landing = _Landing(payloads, asyncio.get_running_loop().create_future())
    queue.put_nowait(landing)
    return await asyncio.shield(landing.kept)


async def _commit_batches(queue: asyncio.Queue[_Landing], land: Land) -> None:
    """Takes all that waits, writes it in one go, says so; again and again."""
    while True:
        waiting = [await queue.get()]
        while not queue.empty():
            waiting.append(queue.get_nowait())
        payloads = [payload for landing in waiting for payload in landing.payloads]
        kept = await asyncio.get_running_loop().run_in_executor(None, _try_to_land, land, payloads)
        for landing in waiting:
            if not landing.kept.done():
                landing.kept.set_result(kept)
            queue.task_done()


def _try_to_land(land: Land, payloads: Sequence[bytes]) -> bool:
    try:
        land(payloads)
    except Exception as failure:
        # Whatever went wrong: the sender must be told to send again, and the listener must go on.
        log.error("the journal took nothing: %s", type(failure).__name__)
        return False
    return True


def tls_context(options: MllpOptions) -> ssl.SSLContext | None:
    """TLS when a certificate is declared, with senders' certificates required when `client_ca` is."""
    if options.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(options.certificate, options.certificate_key)
    if options.client_ca is not None:
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def serve(
    partner: Partner, environment: Mapping[str, str], local: LocalPaths, ready: Callable[[str, int], None]
) -> None:
    """Listens until SIGTERM or SIGINT, `ready` being told the address.

    Raises ContentError, Conflict when another listener runs, JournalBroken.
    """
    options = read_options(partner, environment)
    if not isinstance(options, MllpOptions):
        raise ContentError(
            "only a partner that sends over MLLP has a listener",
            file=f"mappings/{partner.code}/partner.yaml",
            field="connector.type",
        )
    with JournalWriter(spool_folder(local.spool, partner.code), local.keyring) as journal:
        asyncio.run(_until_stopped(options, journal.append, ready))


async def _until_stopped(options: MllpOptions, land: Land, ready: Callable[[str, int], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(options, land, tls_context(options)) as address:
        ready(*address)
        await stop.wait()
