"""`deliveries:` and `targets:` of a partner.yaml: what a participant is told, which server is kept for it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Topic = Literal[
    "resource-published",
    "resource-changed",
    "resource-deleted",
    "admission",
    "discharge",
    "transfer",
    "new-result",
    "referral-status",
    "consent-change",
    "person-merged",
    "person-split",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Channel(_Strict):
    """Transport and its options; `${NAME}` in an option is read from the environment when it is used."""

    type: Literal["rest_hook", "fhir", "sftp", "mllp", "download"]
    options: dict[str, Any] = {}


Rhythm = Literal["at-once", "hourly", "nightly"]
"""How often something goes out, the quickest first."""


class Delivery(_Strict):
    """One subscription. `panel` narrows whom it is about; what may be seen is decided when it is sent.

    `related`: people the participant has a care relationship with; `own`: those it sends records of itself;
    `everyone`. `types` narrows the topics about any resource, `patients` (ids, as the
    participant knows them) all of them to these people. Events older than `news_days` by the source's
    own word are no news: a partner that joins with its whole history sets nobody's pager off.
    `heartbeat_seconds`: a word without content when nothing was told for so long; `max_count`: the most
    events of one delivery.
    """

    topics: tuple[Topic, ...] = Field(min_length=1)
    channel: Channel
    purpose: str
    role: str = "organization"
    panel: Literal["related", "own", "everyone"] = "related"
    types: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    every: Rhythm = "at-once"
    content: Literal["full-resource", "id-only", "empty"] = "full-resource"
    form: Literal["fhir", "csv", "pdf"] = "fhir"
    news_days: int = Field(default=30, ge=1)
    own_records: bool = False
    heartbeat_seconds: int | None = Field(default=None, ge=30, le=86_400)
    max_count: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits_its_channel(self) -> Delivery:
        if self.form != "fhir" and self.channel.type not in ("sftp", "download"):
            raise ValueError(f"`form: {self.form}` is a file: its channel must be sftp or download")
        if self.form == "fhir" and self.channel.type == "download":
            raise ValueError("a download is read by people: form: csv or pdf")
        if self.channel.type == "mllp" and not set(self.topics) <= {"admission", "discharge", "transfer"}:
            raise ValueError("over mllp go ADT messages: admission, discharge and transfer alone")
        if self.channel.type in ("fhir", "mllp", "download") and self.content != "full-resource":
            raise ValueError(f"a {self.channel.type} channel writes whole records: content: full-resource")
        if self.heartbeat_seconds is not None and self.channel.type != "rest_hook":
            raise ValueError("a heartbeat is a notification: its channel must be rest_hook")
        if self.types and not any(topic.startswith("resource-") for topic in self.topics):
            raise ValueError("`types` narrows resource-published, resource-changed and resource-deleted")
        return self


class Target(_Strict):
    """A FHIR server that holds what the participant may see for a purpose; `options` as of a fhir channel."""

    purpose: str
    role: str = "organization"
    options: dict[str, Any]
