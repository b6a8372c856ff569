"""Deliveries in the proof: what is sent by itself about records seen, hidden and unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import ValidationError

from exchange.app.prove.asking import Material, Request
from exchange.app.prove.comparing import Answer
from exchange.app.prove.searching import chance, known_type, some_id
from exchange.delivery.composing import compose
from exchange.delivery.events import Due, events_of
from exchange.delivery.parcel import Office
from exchange.delivery.subscriptions import Subscription
from exchange.model.delivery import Delivery
from exchange.model.records import Viewer
from exchange.pipeline.ledger import Connection
from exchange.repository import ClockRunsBackwards

SEND = "SEND"
_NAME = "prove"
_DELIVERY = UUID(int=1)
_WAYS: Sequence[tuple[str, str, str]] = (
    ("rest_hook", "full-resource", "fhir"),
    ("rest_hook", "id-only", "fhir"),
    ("rest_hook", "empty", "fhir"),
    ("fhir", "full-resource", "fhir"),
    ("sftp", "full-resource", "csv"),
    ("download", "full-resource", "pdf"),
    ("mllp", "full-resource", "fhir"),
)
_TOPICS = {"mllp": ("admission",)}


def sending_request(random: Random, material: Material) -> Request:
    """A delivery: how its recipient wants it, and the records that something happened to."""
    channel, content, form = random.choice(_WAYS)
    panel = random.choice(("everyone", "everyone", "related", "own"))
    named = [("patients", some_id(random, material, "Patient"))] if chance(random, 0.2) else []
    kinds = ["Encounter"] if channel == "mllp" else [known_type(random, material) for _ in range(3)]
    about = [
        ("event", f"{kind}/{some_id(random, material, kind)}")
        for kind in kinds
        for _ in range(random.choice((1, 2, 4)))
    ]
    how = [("content", content), ("form", form), ("panel", panel)]
    return Request(SEND, channel, (*how, *named, *dict.fromkeys(about)))


def sent(held: Connection, viewer: Viewer, office: Office, at: datetime, asked: Request) -> list[Answer]:
    """What would leave; nothing of it is undone here. 503 where everybody's clock went on, as of the API."""
    try:
        due = _due(held, viewer, at, asked)
        parcel = compose(held, due, office) if due else None
    except ClockRunsBackwards:
        return [Answer(503, (), b"")]
    if parcel is None:
        return [Answer(204, (), b"")]
    entries = ", ".join(f"{method} {place}" for method, place in parcel.sent)
    return [Answer(200, (("content-type", parcel.media), ("entries", entries)), parcel.body)]


def _due(held: Connection, viewer: Viewer, at: datetime, asked: Request) -> Due | None:
    """The delivery with an event for each of the records that are there; None: nothing happened to any."""
    delivery = _wanted(viewer, asked)
    if delivery is None:
        return None
    (number,) = held.execute(
        "INSERT INTO subscription (participant, name, declared, facts, topics, started)"
        " VALUES (%s, %s, 'console', %s, %s, %s) RETURNING subscription",
        (viewer.participant, _NAME, Jsonb(delivery.model_dump(mode="json")), list(delivery.topics), at),
    ).fetchone() or (0,)
    held.execute(
        "INSERT INTO delivery (delivery, subscription, created, next_attempt) VALUES (%s, %s, %s, %s)",
        (_DELIVERY, number, at, at),
    )
    named = [place.split("/") for name, place in asked.parameters if name == "event"]
    held.execute(
        _EVENTS,
        {
            "subscription": number,
            "delivery": _DELIVERY,
            "topic": delivery.topics[0],
            "at": at,
            "types": [kind for kind, _ in named],
            "ids": [key for _, key in named],
        },
    )
    wanted = Subscription(number, viewer.participant, _NAME, delivery, at, None, 0, declared="console")
    found = events_of(held, _DELIVERY)
    return Due(_DELIVERY, wanted, 1, found) if found else None


def _wanted(viewer: Viewer, asked: Request) -> Delivery | None:
    """None for one that nobody could subscribe to, as a shorter request may be."""

    def said(name: str, otherwise: str) -> str:
        return dict(asked.parameters).get(name, otherwise)

    try:
        return Delivery.model_validate(
            {
                "topics": _TOPICS.get(asked.path, ("resource-changed", "resource-deleted")),
                "channel": {"type": asked.path},
                "purpose": viewer.purpose,
                "role": viewer.role,
                "content": said("content", "full-resource"),
                "form": said("form", "fhir"),
                "panel": said("panel", "everyone"),
                "patients": [key for name, key in asked.parameters if name == "patients"],
                "own_records": True,
            }
        )
    except ValidationError:
        return None


# An event is called by what it is about, so that it has the same number in both worlds.
_EVENTS = """
WITH asked AS (SELECT * FROM unnest(%(types)s::text[], %(ids)s::uuid[]) AS a (type, fhir_id)),
happened AS (
    SELECT %(topic)s AS topic, type, fhir_id, rendition, patient
    FROM resource JOIN asked USING (type, fhir_id)
    UNION
    SELECT 'resource-deleted', type, fhir_id, 0::smallint, patient
    FROM resource_history JOIN asked USING (type, fhir_id) WHERE ending AND %(topic)s = 'resource-changed'
)
INSERT INTO delivery_event
    (subscription, event, topic, at, type, fhir_id, rendition, patient, person, delivery)
SELECT %(subscription)s,
    ('x' || left(md5(concat_ws(' ', h.topic, h.type, h.fhir_id, h.rendition)), 15))::bit(60)::bigint,
    h.topic, %(at)s, h.type, h.fhir_id, h.rendition, h.patient, p.fhir_id, %(delivery)s
FROM happened h LEFT JOIN patient p USING (patient)
"""
