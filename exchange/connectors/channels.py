"""Ways to a participant's system for what the exchange sends: HTTP, files over SFTP, HL7 v2 over MLLP."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, ValidationError

from exchange.connectors.guarded import Guard, guarded_session
from exchange.connectors.http import Answer, Incomplete, Request, Service, open_service
from exchange.connectors.mllp_frames import END, START, BlockReader
from exchange.connectors.options import HttpOptions, Options, SftpOptions, names_in, option_error, resolve
from exchange.model.delivery import Channel, Target
from exchange.model.errors import ContentError, PartnerUnavailable
from exchange.model.partner import Partner

_ANY_STATUS = frozenset(range(200, 600)) - {401}
_FHIR = "application/fhir+json"


class PushOptions(HttpOptions):
    """Where bundles are posted to; a destination is asked once, the delivery itself is tried again.

    `timeout_seconds`: of silence; `longest_seconds`: of one answer from its first byte to its last.
    `sealed_headers`: what a client wants with each request; nobody writes it by hand.
    """

    sealed_headers: str | None = None

    attempts: int = Field(default=1, ge=1, le=2)
    timeout_seconds: float = Field(default=30, gt=0)
    longest_seconds: float = Field(default=120, gt=0)
    largest_answer_mb: int = Field(default=16, ge=1)


class MllpSendOptions(Options):
    """Where ADT messages go; with `ca` the connection is TLS and the server must show a certificate of it."""

    host: str
    port: int = Field(ge=1, le=65535)
    ca: Path | None = None
    timeout_seconds: float = Field(default=30, gt=0)
    application: str = "RECEIVER"
    facility: str = "RECEIVER"


class DropOptions(SftpOptions):
    """Where files are dropped; `longest_seconds`: of one delivery, from the connection to the last file."""

    longest_seconds: float = Field(default=600, gt=0)


class DownloadOptions(Options):
    """How many days a notice waits to be fetched."""

    days: int = Field(default=7, ge=1, le=60)


CHANNELS: Mapping[str, type[Options]] = {
    "rest_hook": PushOptions,
    "fhir": PushOptions,
    "sftp": DropOptions,
    "mllp": MllpSendOptions,
    "download": DownloadOptions,
}


def channel_options(partner: str, name: str, channel: Channel, environment: Mapping[str, str]) -> Options:
    """The checked options of one of `deliveries:`; raises ContentError and quotes no value."""
    return _checked(partner, f"deliveries.{name}.channel.options", channel, environment)


def target_options(partner: str, name: str, target: Target, environment: Mapping[str, str]) -> PushOptions:
    """The checked options of one of `targets:`; raises ContentError and quotes no value."""
    channel = Channel(type="fhir", options=target.options)
    found = _checked(partner, f"targets.{name}.options", channel, environment)
    if not isinstance(found, PushOptions):
        raise AssertionError("a fhir channel has the options of a push")
    return found


def _checked(partner: str, where: str, channel: Channel, environment: Mapping[str, str]) -> Options:
    file, kind = f"mappings/{partner}/partner.yaml", CHANNELS[channel.type]
    for option in channel.options:
        if option not in kind.model_fields:
            raise ContentError(
                "no such option", file=file, field=f"{where}.{option}", valid=kind.model_fields
            )
    resolved = {
        option: resolve(value, environment, file, f"{where}.{option}")
        for option, value in channel.options.items()
    }
    try:
        return kind.model_validate(resolved)
    except ValidationError as problem:
        raise option_error(problem, kind, file, where) from None


def unset_in_channels(partner: Partner, environment: Mapping[str, str]) -> list[str]:
    """The `${NAME}` of what is sent that `environment` lacks; raises ContentError for a wrong option."""
    missing: set[str] = set()
    for name, delivery in partner.deliveries.items():
        unset = names_in(delivery.channel.options) - set(environment)
        missing |= unset
        stand_in = {**environment, **dict.fromkeys(unset, "https://unset.example")}
        if not unset or delivery.channel.type in ("rest_hook", "fhir"):
            channel_options(partner.code, name, delivery.channel, stand_in)
    for name, target in partner.targets.items():
        unset = names_in(target.options) - set(environment)
        missing |= unset
        stand_in = {**environment, **dict.fromkeys(unset, "https://unset.example")}
        target_options(partner.code, name, target, stand_in)
    return sorted(missing)


@dataclass(frozen=True, slots=True)
class Push:
    """An open way to one HTTP endpoint; `extra` headers give way to those of a request."""

    service: Service[PushOptions]
    guard: Guard
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The whole answer, whatever its status; raises PartnerUnavailable or PartnerRefused (401)."""
        request = Request(
            "the endpoint for deliveries",
            self.service.options.url,
            {"Accept": _FHIR, **self.extra, **headers},
            accepts=_ANY_STATUS,
            method="POST",
            body=body,
        )
        return self.service.read(request, self._in_time)

    def _in_time(self, answer: Answer) -> Answer:
        """An answer that was ended may look like a shorter one."""
        if self.guard.expired:
            raise Incomplete("did not answer in time")
        return answer


@contextmanager
def open_push(partner: str, options: PushOptions, named_by_client: bool = False) -> Iterator[Push]:
    """Once more after a 401 where there is a token to renew, and no more: the caller tries again later.

    `named_by_client`: the address is not an operator's word, so it may not lead into our own network.
    """
    asked = options.model_copy(update={"attempts": 2 if options.token else 1})
    with (
        guarded_session(options.longest_seconds, outside_only=named_by_client) as (session, guard),
        open_service(partner, asked, session) as service,
    ):
        yield Push(service, guard)


def drop_files(partner: str, options: DropOptions, files: Mapping[str, bytes]) -> None:
    """Puts files into the folder, each whole at once under its name; the last one announces the others."""
    from exchange.connectors.sftp import put_in_place, sftp_session  # imports for long what few need

    root = options.path.rstrip("/") or "/"
    with sftp_session(partner, options, options.longest_seconds) as client:
        for name, content in files.items():
            part = f"{root}/.{name}.part"
            with client.open(part, "wb") as file:
                file.set_pipelined(True)
                file.write(content)
            put_in_place(client, part, f"{root}/{name}")


def exchange_message(partner: str, options: MllpSendOptions, message: bytes, control_id: str) -> bytes:
    """Sends one message and returns the acknowledgement that names its control id; others are passed over.

    A receiver that acknowledges twice leaves an answer to the message before: it is not taken for this one's.
    """
    end = time.monotonic() + options.timeout_seconds
    try:
        with _connected(options) as connection:
            connection.sendall(START + message + END + b"\r")
            reader = BlockReader(1 << 20)
            while data := _received(connection, end):
                for block in reader.feed(data):
                    if acknowledged_id(block.content) == control_id:
                        return block.content
    except (OSError, ssl.SSLError):
        raise PartnerUnavailable(f"{partner}: the MLLP connection failed or broke off") from None
    raise PartnerUnavailable(f"{partner}: the message was not acknowledged")


def _received(connection: socket.socket, end: float) -> bytes:
    """What comes until `end`: bytes that drip in give no new time."""
    connection.settimeout(max(0.001, end - time.monotonic()))
    return connection.recv(65536)


@contextmanager
def _connected(options: MllpSendOptions) -> Iterator[socket.socket]:
    address = (options.host, options.port)
    with socket.create_connection(address, timeout=options.timeout_seconds) as plain:
        if options.ca is None:
            yield plain
            return
        context = ssl.create_default_context(cafile=str(options.ca))
        with context.wrap_socket(plain, server_hostname=options.host) as secured:
            yield secured


def acknowledged_id(content: bytes) -> str:
    r"""MSA-2 of an acknowledgement; `` when there is none.

    >>> acknowledged_id(b"MSH|^~\\&|A\rMSA|AA|17\r")
    '17'
    """
    for segment in content.decode("utf-8", "replace").replace("\n", "\r").split("\r"):
        fields = segment.split("|")
        if fields[0] == "MSA" and len(fields) > 2:
            return fields[2]
    return ""
