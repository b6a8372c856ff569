"""The hospital's interface engine: sends HL7 v2 over MLLP, waits for each acknowledgement, never gives up.

https://www.hl7.org/implement/standards/product_brief.cfm?product_id=55
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from exchange.synthetic.drops import END, START

_PATIENCE = 30.0
_SAVE_EVERY = 100
_TRIES = 5


class Engine:
    """Sends the files of a folder in order of name; where it stands survives a restart."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.folder, self.host, self.port = folder, host, port
        self.sent = self.refused = 0
        self.position: tuple[str, int] = self._saved()

    async def run(self) -> None:
        """Send everything, then look for new files, for ever."""
        pause = 0.2
        while True:
            try:
                await self._session()
                pause = 0.2
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                pause = min(pause * 2, 5)
            finally:
                self._save()
            await asyncio.sleep(pause)

    def waiting(self) -> int:
        """How many bytes are still to be sent."""
        name, offset = self.position
        sizes = {path.name: path.stat().st_size for path in self.folder.glob("*.mllp")}
        return sum(size - (offset if at == name else 0) for at, size in sizes.items() if at >= name)

    async def _session(self) -> None:
        if not self.waiting():
            return
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            async for frame, after in self._frames():
                await self._deliver(reader, writer, frame)
                self.position = after
                if (self.sent + self.refused) % _SAVE_EVERY == 0:
                    self._save()
        finally:
            writer.close()

    async def _deliver(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frame: bytes
    ) -> None:
        """Until it is accepted; AR, or AE again and again, leaves it to a person."""
        for attempt in range(_TRIES):
            writer.write(frame)
            await writer.drain()
            answer = await asyncio.wait_for(reader.readuntil(END), _PATIENCE)
            code, control = _acknowledged(answer)
            if control != _control(frame):
                raise ConnectionResetError("the acknowledgement is for another message")
            if code in {"AA", "CA"}:
                self.sent += 1
                return
            if code in {"AR", "CR"}:
                break
            await asyncio.sleep(0.1 * 2**attempt)
        self.refused += 1

    async def _frames(self) -> AsyncIterator[tuple[bytes, tuple[str, int]]]:
        name, offset = self.position
        for path in sorted(self.folder.glob("*.mllp")):
            if path.name < name:
                continue
            with path.open("rb") as file:
                file.seek(offset if path.name == name else 0)
                buffered = b""
                at = file.tell()
                while block := file.read(1 << 20):
                    *frames, buffered = (buffered + block).split(END)
                    for frame in frames:
                        at += len(frame) + len(END)
                        yield frame + END, (path.name, at)

    def _saved(self) -> tuple[str, int]:
        path = self.folder / "position.json"
        if not path.exists():
            return "", 0
        name, offset = json.loads(path.read_text())
        return name, offset

    def _save(self) -> None:
        (self.folder / "position.json").write_text(json.dumps(self.position))


def _acknowledged(answer: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2."""
    for line in answer.strip(START + END).split(b"\r"):
        if line.startswith(b"MSA|"):
            fields = line.decode().split("|")
            return fields[1], fields[2] if len(fields) > 2 else ""
    raise ConnectionResetError("the acknowledgement has no MSA")


def _control(frame: bytes) -> str:
    return frame.lstrip(START).split(b"\r", 1)[0].split(b"|")[9].decode()
