"""`mappings/<partner>/partner.yaml`: who a participant is, what it sends, what it may ask for."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from exchange.model.delivery import Delivery, Target
from exchange.model.records import Format

OrganizationType = Literal[
    "hospital",
    "clinic",
    "sud-program",
    "mental-health",
    "nursing-home",
    "public-health",
    "housing",
    "shelter",
    "food",
    "social-services",
    "directory",
    "payer",
    "school",
    "victim-services",
]


FindingCode = Literal["required", "value", "code-invalid", "invariant", "duplicate", "incomplete"]
"""Issue codes of findings that may travel with a resource (https://hl7.org/fhir/R4/codesystem-issue-type.html)."""

DEFAULT_TIMEZONE = "America/Chicago"

_PRESETS = ("@once", "@continuous", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_CRON = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Organization(_Strict):
    """The legal person behind the folder; the law attaches to `type`, `covered_entity`, `part2_program`."""

    name: str
    type: OrganizationType
    npi: str | None = None
    covered_entity: bool = False
    part2_program: bool = False
    part_of: str | None = None
    address: str | None = None
    state: str = "IL"

    @field_validator("name")
    @classmethod
    def _is_seen(cls, name: str) -> str:
        if not name.isprintable() or not 1 <= len(name) <= 200:
            raise ValueError("a name is 1 to 200 letters, none of them unseen")
        return name


class Agreement(_Strict):
    """What the participant signed; without one in force nothing enters or leaves.

    `narrative` says what becomes of the free text it sends: kept out, screened by word lists, let in.
    """

    type: Literal["participation", "BAA", "QSOA", "DUA"]
    signed: date
    ends: date | None = None
    narrative: Literal["withheld", "screened", "released"] = "withheld"


class Requests(_Strict):
    """Roles and purposes of use (v3-ActReason) the participant may ask under."""

    roles: tuple[str, ...] = ("organization",)
    purposes: tuple[str, ...] = ()


class Program(_Strict):
    """Labels that follow a feed's or facility's origin and not its codes (42 CFR 2.11, HMIS, school)."""

    labels: tuple[str, ...] = ()
    confidentiality: Literal["U", "L", "M", "N", "R", "V"] | None = None
    reason: str = ""


class Join(_Strict):
    """Columns that the rows take from another file of the same folder, by a column that both have."""

    file: str = Field(pattern=r"^[^/\\]+$")
    by: str
    take: tuple[str, ...] = Field(min_length=1)


class DelimitedOptions(_Strict):
    """Options of a delimited feed; without `columns` the first row after `skip` lines names them.

    `join` is done in order, so that a column taken from one file can lead into the next.
    """

    delimiter: str = Field(default=",", pattern=r"^[^\r\n]$")
    quote: str = Field(default='"', pattern=r"^[^\r\n]$")
    columns: tuple[str, ...] | None = None
    skip: int = Field(default=0, ge=0)
    join: tuple[Join, ...] = ()

    @model_validator(mode="after")
    def _unambiguous(self) -> DelimitedOptions:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote are the same character")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns name one column twice")
        return self


class Feed(_Strict):
    """One kind of record: its format, the map that reads it, and what makes a record the same one."""

    format: Format
    map: str
    match: str = "*"
    key: tuple[str, ...] = ()
    snapshot: bool = False
    program: Program = Program()
    encoding: str = "utf-8"
    options: dict[str, Any] = {}

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("no such encoding; utf-8, cp1252, latin-1, utf-16 are some") from None
        return value

    @model_validator(mode="after")
    def _known_options(self) -> Feed:
        if self.format == "delimited":
            DelimitedOptions.model_validate(self.options)
        return self

    def joins(self) -> tuple[Join, ...]:
        """What a delimited feed takes from other files; nothing for other formats."""
        found = self.options.get("join", ()) if self.format == "delimited" else ()
        return tuple(Join.model_validate(item) for item in found)


class Connector(_Strict):
    """Transport and its options; `${NAME}` in an option is read from the environment when a run starts."""

    type: Literal["mllp", "fhir_search", "fhir_bulk", "sftp", "folder", "http_json", "push"]
    options: dict[str, Any] = {}


class Partner(_Strict):
    """A participant of the exchange; with feeds it sends, with purposes it asks.

    `quarantine` names the findings that keep a resource out where others only tell them.
    """

    code: str
    namespace: str
    organization: Organization
    agreement: Agreement
    requests: Requests = Requests()
    connector: Connector | None = None
    feeds: dict[str, Feed] = {}
    deliveries: dict[str, Delivery] = {}
    targets: dict[str, Target] = {}
    schedule: str | None = None
    pool: str = "default_pool"
    timezone: str = DEFAULT_TIMEZONE
    retention_days: int = Field(default=365, ge=1)
    chunk_records: int = Field(default=2000, ge=1)
    quarantine: frozenset[FindingCode] = frozenset()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone; valid are names like America/Chicago") from None
        return value

    @field_validator("namespace")
    @classmethod
    def _is_uri(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*:\S+", value):
            raise ValueError("a namespace is a URI of the partner's own, such as https://maple.example/")
        return value

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        fields = (value or "").split()
        if value is None or value in _PRESETS:
            return value
        if len(fields) != 5 or not all(map(_cron_field, fields, _CRON)):
            raise ValueError(
                'five cron fields in numbers (minute hour day month weekday), such as "30 2 * * *",'
                f" or one of {', '.join(_PRESETS)}"
            )
        return value

    @model_validator(mode="after")
    def _receives_as_it_may_ask(self) -> Partner:
        given: list[tuple[str, str, Delivery | Target]] = [
            *(("delivery", name, asked) for name, asked in self.deliveries.items()),
            *(("target", name, asked) for name, asked in self.targets.items()),
        ]
        for kind, name, asked in given:
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", name):
                raise ValueError(f"a {kind}'s name is lower case letters, digits, - and _")
            if asked.purpose not in self.requests.purposes or asked.role not in self.requests.roles:
                raise ValueError(
                    f"{kind} `{name}` asks as {asked.role} for {asked.purpose},"
                    " which `requests` does not name"
                )
        return self

    @model_validator(mode="after")
    def _sends_or_not(self) -> Partner:
        if bool(self.feeds) != (self.connector is not None):
            raise ValueError("feeds and connector belong together: declare both or neither")
        if self.organization.type == "victim-services" and self.feeds:
            raise ValueError(
                "a victim-service provider may not feed identities, not even hashed ones"
                " (34 USC 12291(b)(2)); remove feeds and connector"
            )
        return self


def _cron_field(field: str, limits: tuple[int, int]) -> bool:
    """Is each item `*`, a number or a range, with an optional step, and within the limits?

    >>> _cron_field("*/15,50-59", (0, 59)), _cron_field("60", (0, 59)), _cron_field("mon", (0, 7))
    (True, False, False)
    """
    for item in field.split(","):
        found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/[1-9]\d*)?", item)
        if not found or not all(limits[0] <= int(n) <= limits[1] for n in found.groups() if n):
            return False
    return True
