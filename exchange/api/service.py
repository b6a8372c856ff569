"""What the API needs from the rest of the house, handed in by whoever starts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import psycopg
from psycopg_pool import ConnectionPool

from exchange.api.export.files import Exports
from exchange.api.keysets import KeySets
from exchange.api.limits import Buckets, Rate
from exchange.api.standby import Standby
from exchange.model.partner import Partner
from exchange.repository import Identity

_PARTICIPANT = Rate(per_second=200, burst=400)
_ADDRESS = Rate(per_second=20, burst=40)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one participant, or one address without a token, may ask; sizes in bytes.

    `upload` is for bodies in FHIR and needs a token. A participant has at most so many `emergencies` open at
    once, so many `panels`, `exports` unfinished and `exports_kept` altogether, `pushes` waiting and
    `subscriptions`. No statement of a request takes longer than `seconds`, and its body comes within
    `body_seconds`.
    """

    participant: Rate = _PARTICIPANT
    address: Rate = _ADDRESS
    body: int = 65_536
    upload: int = 16_777_216
    emergencies: int = 20
    panels: int = 100
    exports: int = 3
    exports_kept: int = 20
    pushes: int = 1_000
    subscriptions: int = 50
    target: int = 8_192
    parameters: int = 100
    seconds: int = 30
    body_seconds: float = 120


@dataclass(frozen=True, slots=True)
class Service:
    """One running API; `base_url` has no trailing slash, `signing_key` is an Ed25519 private key (PEM).

    `pool` needs a login that may SET ROLE exchange_api and nothing more. `identity` compares for $match.
    `notices` are the obligations (code and words, from consent/vocabulary.yaml) that travel with the data;
    others stay inside. `exports` is where files of $export lie; without it there is none. `origins` are those
    whose pages in a browser may ask (CORS); none by default. `standby` is read where there is one.
    """

    pool: ConnectionPool[psycopg.Connection]
    base_url: str
    participants: Mapping[str, Partner]
    signing_key: str
    cursor_key: bytes
    identity: Identity
    notices: Mapping[str, str]
    exports: Exports | None = None
    keysets: KeySets = field(default_factory=KeySets)
    origins: tuple[str, ...] = ()
    clock: Callable[[], datetime] = _now
    limits: Limits = field(default_factory=Limits)
    timer: Callable[[], float] = time.monotonic
    standby: Standby | None = None
    software: str = field(default_factory=lambda: version("mosaic-exchange"))

    @property
    def fhir_url(self) -> str:
        return f"{self.base_url}/fhir"

    @property
    def token_url(self) -> str:
        return f"{self.base_url}/auth/token"

    def buckets(self) -> tuple[Buckets, Buckets]:
        """Fresh buckets for participants and for addresses."""
        return Buckets(self.limits.participant, self.timer), Buckets(self.limits.address, self.timer)


@contextmanager
def as_api(service: Service) -> Iterator[psycopg.Connection]:
    """A transaction with the API's rights and nobody's view: it sees no record of the repository."""
    with service.pool.connection() as conn, conn.transaction():
        conn.execute("SET LOCAL ROLE exchange_api")
        yield conn
