"""From a subscription's channel to a function that sends a parcel and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from exchange.connectors.channels import (
    DropOptions,
    MllpSendOptions,
    Push,
    PushOptions,
    channel_options,
    drop_files,
    exchange_message,
    open_push,
)
from exchange.connectors.endpoints import refuse_inside
from exchange.crypto import Keyring, sign_detached
from exchange.delivery.acknowledgement import Verdict, of_message, of_notification, of_transaction
from exchange.delivery.parcel import Parcel
from exchange.delivery.sealed_headers import open_headers
from exchange.delivery.subscriptions import Subscription
from exchange.model.errors import PartnerRefused, PartnerUnavailable

Send = Callable[[Parcel], Verdict]
SIGNATURE_HEADER = "X-JWS-Signature"
# Labels and profiles replace those that are there: HAPI FHIR would else keep every label a record ever had.
_AS_SENT = {"X-Meta-Snapshot-Mode": "TAG, PROFILE, SECURITY_LABEL"}


@contextmanager
def open_channel(
    subscription: Subscription,
    environment: Mapping[str, str],
    signing_key: str,
    keyring: Keyring | None = None,
) -> Iterator[Send]:
    """A way to the destination that stays open for many parcels; raises ContentError for a wrong option."""
    channel = subscription.delivery.channel
    options = channel_options(subscription.participant, subscription.name, channel, environment)
    match options:
        case PushOptions():
            by_client = subscription.declared != "partner.yaml"
            with open_push(subscription.participant, options, by_client) as push:
                whole = channel.type == "fhir"
                headers = open_headers(options.sealed_headers, keyring, subscription.fhir_id)
                named = options.url if by_client else ""
                way = Push(push.service, push.guard, headers)
                yield lambda parcel: _judged(lambda: _posted(way, parcel, signing_key, whole, named))
        case DropOptions():
            yield lambda parcel: _judged(
                lambda: _dropped(subscription.participant, options, parcel, signing_key)
            )
        case MllpSendOptions():
            yield lambda parcel: _judged(lambda: _told(subscription.participant, options, parcel))
        case _:
            raise AssertionError(f"channel without an opening: {type(options).__name__}")


@contextmanager
def open_server(participant: str, options: PushOptions, signing_key: str) -> Iterator[Send]:
    """A way to a FHIR server that takes transactions."""
    with open_push(participant, options) as push:
        yield lambda parcel: _judged(lambda: _posted(push, parcel, signing_key, True))


def _judged(send: Callable[[], Verdict]) -> Verdict:
    """A destination that cannot be reached, or does not take our credentials, is tried again later."""
    try:
        return send()
    except PartnerUnavailable as problem:
        return Verdict("failed", _own_words(problem), whole=True, wait=problem.retry_after)
    except PartnerRefused as problem:
        return Verdict("failed", _own_words(problem), whole=True)


def _own_words(problem: Exception) -> str:
    """Without the partner's code in front."""
    return str(problem).split(": ", 1)[-1][:200]


def _posted(push: Push, parcel: Parcel, signing_key: str, whole: bool, named: str = "") -> Verdict:
    """`named`: an address that a client named, not an operator of ours."""
    if named:
        refuse_inside(named)
    headers = {
        "Content-Type": f"{parcel.media}; fhirVersion=4.0",
        "Idempotency-Key": f'"{parcel.delivery}"',
        "X-Request-Id": parcel.delivery,
        SIGNATURE_HEADER: sign_detached(parcel.body, signing_key),
        **(_AS_SENT if whole else {}),
    }
    answer = push.post(parcel.body, headers)
    return of_transaction(answer, parcel.sent) if whole else of_notification(answer)


def _dropped(partner: str, options: DropOptions, parcel: Parcel, signing_key: str) -> Verdict:
    """The signature first: who sees the file can check it at once. Sent again, the names are the same."""
    name = f"mosaic-{parcel.delivery}.{parcel.suffix}"
    signature = sign_detached(parcel.body, signing_key).encode()
    drop_files(partner, options, {f"{name}.jws": signature, name: parcel.body})
    return Verdict("acknowledged", "the server took the file")


def _told(partner: str, options: MllpSendOptions, parcel: Parcel) -> Verdict:
    """Message after message; the first that is not taken ends it, and all are sent again then."""
    verdict = Verdict("acknowledged", "no message was needed")
    for control, message in parcel.messages:
        addressed = _addressed(message, options)
        verdict = of_message(exchange_message(partner, options, addressed, control))
        if verdict.kind != "acknowledged":
            break
    return verdict


def _addressed(message: bytes, options: MllpSendOptions) -> bytes:
    """MSH-5 and MSH-6 are the receiver's."""
    fields = message.split(b"|")
    fields[4:6] = [options.application.encode(), options.facility.encode()]
    return b"|".join(fields)
