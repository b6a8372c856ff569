"""The file drops: one SFTP server, one account and one root per partner, read only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import asyncssh


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in, and the folder that is the account's root."""

    username: str
    password: str
    root: Path


@dataclass(frozen=True, slots=True)
class Drops:
    """A running server; `host_key` is the line a client pins."""

    port: int
    host_key: str
    acceptor: asyncssh.SSHAcceptor


def account(username: str, root: Path) -> Account:
    """An account with a new password."""
    return Account(username, secrets.token_urlsafe(18), root)


async def serve(accounts: Mapping[str, Account], host: str) -> Drops:
    """Listen on a free port with a new host key; `accounts` by user name."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Session(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            found = accounts.get(username)
            return found is not None and secrets.compare_digest(found.password, password)

    def files(channel: Any) -> _ReadOnly:
        username = channel.get_connection().get_extra_info("username")
        return _ReadOnly(channel, chroot=str(accounts[username].root).encode())

    acceptor = await asyncssh.listen(
        host, 0, server_factory=Session, server_host_keys=[key], sftp_factory=files, allow_scp=False
    )
    public = key.export_public_key("openssh").decode().strip()
    return Drops(acceptor.get_port(), " ".join(public.split()[:2]), acceptor)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise asyncssh.SFTPPermissionDenied("this account may only read")


class _ReadOnly(asyncssh.SFTPServer):
    mkdir = remove = rename = posix_rename = rmdir = setstat = lsetstat = fsetstat = symlink = link = _refuse

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & ~asyncssh.FXF_READ:
            _refuse()
        return super().open(path, pflags, attrs)
