"""A partner's SFTP server on loopback that breaks connections to order."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import asyncssh

PASSWORD = "correct horse"
CLIENT_KEY = asyncssh.generate_private_key("ssh-ed25519")


class SftpPartner:
    """Serves `folder` to one user by password or key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.breaks = 0
        self.extensions = True  # of OpenSSH
        self.slowness = 0.0  # seconds before each step of writing
        self.watch: Callable[[str], None] = lambda stage: None
        self.arrived: list[tuple[str, str]] = []  # name and content of files put under their own name
        self._connections: list[asyncssh.SSHServerConnection] = []
        self.password = PASSWORD
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.get_port()

    @property
    def public_host_key(self) -> str:
        return self.host_key.export_public_key().decode().strip()

    @staticmethod
    def a_host_key() -> str:
        """Of nobody."""
        return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()

    def stop(self) -> None:
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    async def _hang_up(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.abort()
            await connection.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Transports let go of their sockets one turn of the loop after they are closed.
        await asyncio.sleep(0)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        outer = self

        class Door(asyncssh.SSHServer):
            def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
                outer._connections.append(connection)

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return username == "mosaic" and password == outer.password

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return key == CLIENT_KEY.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: asyncssh.SSHServerChannel) -> None:
                super().__init__(channel, chroot=os.fsencode(outer.folder))

            def read(self, file: object, offset: int, size: int) -> bytes:
                if outer.breaks:
                    outer.breaks -= 1
                    self.channel.get_connection().abort()
                return super().read(file, offset, size)

            async def open(self, *arguments: object) -> object:
                await asyncio.sleep(outer.slowness)
                outer.watch("opened")
                return super().open(*arguments)

            async def write(self, *arguments: object) -> int:
                await asyncio.sleep(outer.slowness)
                outer.watch("in the file")
                return super().write(*arguments)

            def posix_rename(self, old: bytes, new: bytes) -> None:
                outer.watch("written")
                if not outer.extensions:
                    raise asyncssh.SFTPOpUnsupported("not implemented")
                super().posix_rename(old, new)
                name = os.fsdecode(new).lstrip("/")
                if name.endswith(".json"):
                    key = name.removeprefix("mosaic-").removesuffix(".json")
                    outer.arrived.append((key, (outer.folder / name).read_text()))
                outer.watch("taken")

        return await asyncssh.create_server(
            Door, "127.0.0.1", 0, server_host_keys=[self.host_key], sftp_factory=Files
        )
