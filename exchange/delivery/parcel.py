"""What goes over a channel, and who sends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exchange.consent import Context
from exchange.crypto import Keyring


@dataclass(frozen=True, slots=True)
class Office:
    """Who sends: the rules in force, the exchange's address and key, names of the participants, a clock.

    `keyring` opens the headers that clients want with their notifications.
    """

    context: Context
    base_url: str
    signing_key: str
    organization: Callable[[str], str]
    now: Callable[[], datetime]
    keyring: Keyring | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes over a channel; `sent` names (method, `Type/id`) of a transaction's entries, in order.

    `messages` are HL7 v2 messages by control id, for a channel that takes no bundle.
    """

    delivery: str
    body: bytes
    media: str
    suffix: str
    content: bytes
    sent: tuple[tuple[str, str], ...] = ()
    messages: tuple[tuple[str, bytes], ...] = ()
