"""Files on a partner's SFTP server, its host key pinned: the only importer of `paramiko`."""

from __future__ import annotations

import base64
import io
import logging
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Timer
from typing import Any

import paramiko

from exchange.connectors.files import FileEntry, pull_files
from exchange.connectors.options import SftpOptions
from exchange.model.errors import ContentError, PartnerRefused, PartnerUnavailable
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

# What paramiko reports below warnings are paths, and a partner's file name may hold a patient's name.
logging.getLogger("paramiko").setLevel(logging.WARNING)

_PRIVATE_KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@dataclass(frozen=True, slots=True)
class SftpStore:
    """`root` is the folder on the server below which the feeds' globs lie."""

    client: paramiko.SFTPClient
    root: str

    def matching(self, pattern: str) -> list[FileEntry]:
        """Regular files whose path below the root matches the glob; `**` reaches any depth."""
        return list(self._walk("", pattern.strip("/").split("/")))

    def read(self, path: str) -> bytes:
        """The whole file; raises FileNotFoundError."""
        with self.client.open(f"{self.root}/{path}", "rb") as file:
            file.prefetch()
            return file.read()

    def look(self, path: str) -> FileEntry | None:
        """The file as it is now."""
        try:
            return _entry(path, self.client.stat(f"{self.root}/{path}"))
        except FileNotFoundError:
            return None

    def _walk(self, folder: str, segments: list[str]) -> Iterator[FileEntry]:
        head, rest = segments[0], segments[1:]
        for facts in self.client.listdir_attr(f"{self.root}/{folder}"):
            path, is_folder = f"{folder}{facts.filename}", stat.S_ISDIR(facts.st_mode or 0)
            if head == "**":
                if is_folder:
                    yield from self._walk(f"{path}/", segments)
                elif len(rest) == 1 and fnmatchcase(facts.filename, rest[0]):
                    yield _entry(path, facts)
            elif fnmatchcase(facts.filename, head):
                if rest and is_folder:
                    yield from self._walk(f"{path}/", rest)
                elif not rest and stat.S_ISREG(facts.st_mode or 0):
                    yield _entry(path, facts)


def _entry(path: str, facts: paramiko.SFTPAttributes) -> FileEntry:
    return FileEntry(path, facts.st_size or 0, facts.st_mtime or 0)


def connect_sftp(
    partner: Partner, options: SftpOptions
) -> Callable[[Mapping[str, Any] | None], Iterator[Document | Checkpoint]]:
    """The connector; raises ContentError when the pinned host key or our own key is none."""
    pinned, key = _host_keys(options), _private_key(options)
    return lambda cursor: _pull(partner, options, (pinned, key), cursor or {})


def _pull(
    partner: Partner,
    options: SftpOptions,
    keys: tuple[list[paramiko.PKey], paramiko.PKey | None],
    cursor: Mapping[str, Any],
) -> Iterator[Document | Checkpoint]:
    with _translated(partner.code), _session(options, *keys) as client:
        yield from pull_files(partner, SftpStore(client, options.path.rstrip("/") or "/"), options, cursor)


@contextmanager
def sftp_session(partner: str, options: SftpOptions, longest_seconds: float) -> Iterator[paramiko.SFTPClient]:
    """A session for writing that ends after `longest_seconds`, however slowly the server keeps it alive.

    Raises PartnerUnavailable, PartnerRefused or ContentError.
    """
    pinned, key = _host_keys(options), _private_key(options)
    address = (options.host, options.port)
    with (
        _translated(partner),
        socket.create_connection(address, timeout=options.timeout_seconds) as connection,
        _ended_after(longest_seconds, connection),
        _session(options, pinned, key, connection) as client,
    ):
        yield client


def put_in_place(client: paramiko.SFTPClient, part: str, name: str) -> None:
    """Gives a whole file its name at once, in the place of one that has it.

    Servers without OpenSSH's extension rename onto nothing only, so there the old file goes first.
    """
    try:
        client.posix_rename(part, name)
    except OSError as problem:
        if problem.errno is not None:  # it has the extension, and something else is wrong
            raise
        with suppress(FileNotFoundError):
            client.remove(name)
        client.rename(part, name)


@contextmanager
def _ended_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    """A timeout alone begins anew with every byte that drips in."""

    def end() -> None:
        with suppress(OSError):  # it ended by itself
            connection.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _session(
    options: SftpOptions,
    pinned: list[paramiko.PKey],
    key: paramiko.PKey | None,
    connection: socket.socket | None = None,
) -> Iterator[paramiko.SFTPClient]:
    name = options.host if options.port == 22 else f"[{options.host}]:{options.port}"
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        for host_key in pinned:
            client.get_host_keys().add(name, host_key.get_name(), host_key)
        client.connect(
            options.host,
            options.port,
            options.username,
            options.password.get_secret_value() if options.password else None,
            key,
            timeout=options.timeout_seconds,
            banner_timeout=options.timeout_seconds,
            auth_timeout=options.timeout_seconds,
            allow_agent=False,
            look_for_keys=False,
            sock=connection,
        )
        with client.open_sftp() as sftp:
            channel = sftp.get_channel()
            if channel is not None:
                channel.settimeout(options.timeout_seconds)
            yield sftp


@contextmanager
def _translated(partner: str) -> Iterator[None]:
    """Failures of the connection in our own words: a message of the server may quote a file's name."""
    try:
        yield
    except paramiko.BadHostKeyException:
        raise PartnerRefused(f"{partner}: the server shows another host key than `host_key`") from None
    except paramiko.AuthenticationException:
        raise PartnerRefused(f"{partner}: the server does not take our user name and credentials") from None
    except PermissionError:
        raise PartnerRefused(f"{partner}: the server does not let us read the folder or a file") from None
    except FileNotFoundError:
        raise PartnerRefused(f"{partner}: the folder named by `path` does not exist") from None
    except (paramiko.SSHException, EOFError, OSError) as failure:
        if "not found in known_hosts" in str(failure):
            raise PartnerRefused(f"{partner}: the server has no host key of the pinned type") from None
        raise PartnerUnavailable(f"{partner}: the SFTP connection failed or broke off") from None


def _host_keys(options: SftpOptions) -> list[paramiko.PKey]:
    keys = []
    for line in options.host_key.strip().splitlines():
        kind, _, rest = line.strip().partition(" ")
        try:
            data = base64.b64decode(rest.split()[0], validate=True)
            keys.append(paramiko.PKey.from_type_string(kind, data))
        except (IndexError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
            raise ContentError(
                "is not a host key: `<type> <base64>`, as ssh-keyscan prints it after the host's name",
                field="connector.options.host_key",
            ) from None
    if not keys:
        raise ContentError("is empty: pin the server's key", field="connector.options.host_key")
    return keys


def _private_key(options: SftpOptions) -> paramiko.PKey | None:
    if options.key is None:
        return None
    value = options.key.get_secret_value()
    try:
        text = value if value.lstrip().startswith("-----BEGIN") else Path(value).read_text()
    except OSError:
        text = ""
    for kind in _PRIVATE_KEYS:
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError):
            continue
    raise ContentError(
        "is neither an unencrypted private key nor a file that holds one", field="connector.options.key"
    )
