"""A hospital's side of MLLP over a real socket."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable


def message(control_id: str, text: str = "") -> bytes:
    """A small ADT message."""
    return (
        f"MSH|^~\\&|EPIC|LAKE|MOSAIC|HIE|20261123090000||ADT^A01^ADT_A01|{control_id}|P|2.5.1\r"
        f"EVN|A01|20261123090000\rPID|1||{control_id}^^^LAKE^MR||Roe^Jane{text}\r"
    ).encode()


def block(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\r"


class Sender:
    """One connection; answers are (MSA-1, MSA-2)."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._held = b""

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *contents: bytes) -> None:
        self.socket.sendall(b"".join(map(block, contents)))

    def answer(self) -> tuple[str, str]:
        """The next acknowledgement; raises ConnectionError when there will be none."""
        while b"\x1c\r" not in self._held:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError
            self._held += data
        whole, _, self._held = self._held.partition(b"\x1c\r")
        found = re.search(rb"\rMSA\|(\w\w)\|([^\r|]*)", whole)
        assert found, "no MSA"
        return found[1].decode(), found[2].decode()

    def answers(self, count: int) -> list[tuple[str, str]]:
        return [self.answer() for _ in range(count)]

    def exchange(self, contents: Iterable[bytes]) -> list[tuple[str, str]]:
        """Waits for each answer before it sends the next message."""
        found = []
        for content in contents:
            self.send(content)
            found.append(self.answer())
        return found
