"""What `connector.options` of a partner.yaml may hold, per connector type, and `${NAME}` in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from exchange.model.errors import ContentError
from exchange.model.partner import Partner

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Options(BaseModel):
    """Closed and frozen: an option nobody knows is an error that names the valid ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TokenOptions(Options):
    """A SMART Backend Services client: `key` is a PEM private key or the path of one.

    `b2b` goes along as `extensions.hl7-b2b` where a server asks who wants what for which purpose (UDAP B2B).
    """

    token_url: str
    client_id: str
    key: SecretStr
    kid: str | None = None
    algorithm: Literal["RS384", "ES384"] = "RS384"
    scope: str = "system/*.rs"
    b2b: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _readable_key(self) -> TokenOptions:
        self.private_pem()
        return self

    def private_pem(self) -> str:
        """The key itself, read from its file when `key` names one; raises ValueError."""
        value = self.key.get_secret_value()
        if value.lstrip().startswith("-----BEGIN"):
            return value
        try:
            return Path(value).read_text()
        except OSError:
            raise ValueError("`key` is neither a PEM private key nor a file that can be read") from None


class HttpOptions(Options):
    """Where an HTTP partner lives and how patient to be with it."""

    url: str = Field(pattern=r"^https?://")
    token: TokenOptions | None = None
    bearer: SecretStr | None = None
    attempts: int = Field(default=5, ge=1, le=20)
    timeout_seconds: float = Field(default=60, gt=0)
    longest_wait_seconds: float = Field(default=60, gt=0)
    largest_answer_mb: int = Field(default=256, ge=1)

    @model_validator(mode="after")
    def _one_credential(self) -> HttpOptions:
        if self.token and self.bearer:
            raise ValueError("declare `token` or `bearer`, not both")
        return self


class FhirSearchOptions(HttpOptions):
    """`overlap_seconds` is asked again each time, for records the server committed late."""

    page_size: int = Field(default=500, ge=1, le=10_000)
    overlap_seconds: int = Field(default=60, ge=1)


class FhirBulkOptions(HttpOptions):
    """`level` is what `$export` is called on: the system, all patients, or one `Group/<id>`.

    Of a Group a server need not send what lay before of members who joined since the last export (this
    exchange's own does): ask for all patients, or begin again, where the Group changes.
    """

    level: str = Field(default="Patient", pattern=r"^(system|Patient|Group/[A-Za-z0-9\-.]{1,64})$")
    file_hosts: tuple[str, ...] = ()
    slice_lines: int = Field(default=2000, ge=1, le=2000)
    longest_export_minutes: float = Field(default=60, gt=0)


class PushOptions(Options):
    """Nothing: the participant comes to the API with what it has."""


class HttpJsonOptions(HttpOptions):
    """Paged JSON as HSDS APIs answer it: `page` and `per_page` in, `contents` and `total_pages` out."""

    page_size: int = Field(default=100, ge=1, le=10_000)


class FileOptions(Options):
    """`settle_seconds` lie between the two looks that tell a finished file from a growing one."""

    settle_seconds: float = Field(default=1.0, ge=0)
    largest_file_mb: int = Field(default=512, ge=1)


class FolderOptions(FileOptions):
    """An absolute folder or an fsspec URL."""

    path: str = Field(pattern=r"^(/|[a-z0-9]+://)")


class SftpOptions(FileOptions):
    """`host_key` pins the server: one or more lines `<type> <base64>` as in known_hosts."""

    host: str
    port: int = Field(default=22, ge=1, le=65535)
    username: str
    password: SecretStr | None = None
    key: SecretStr | None = None
    host_key: str
    path: str = "."
    timeout_seconds: float = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _one_credential(self) -> SftpOptions:
        if bool(self.password) == bool(self.key):
            raise ValueError("declare either `password` or `key`")
        return self


class MllpOptions(Options):
    """Where our listener listens for this partner; with `client_ca` senders must show a certificate."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    certificate: Path | None = None
    certificate_key: Path | None = None
    client_ca: Path | None = None
    largest_message_mb: int = Field(default=16, ge=1, le=256)
    connections: int = Field(default=64, ge=1)


OPTIONS: Mapping[str, type[Options]] = {
    "fhir_search": FhirSearchOptions,
    "fhir_bulk": FhirBulkOptions,
    "http_json": HttpJsonOptions,
    "push": PushOptions,
    "folder": FolderOptions,
    "sftp": SftpOptions,
    "mllp": MllpOptions,
}


def read_options(partner: Partner, environment: Mapping[str, str]) -> Options:
    """The checked options of the partner's connector; raises ContentError and quotes no value."""
    file = f"mappings/{partner.code}/partner.yaml"
    if partner.connector is None:
        raise ContentError("the partner sends nothing: it has no connector", file=file, field="connector")
    kind = OPTIONS[partner.connector.type]
    resolved = {
        name: resolve(value, environment, file, f"connector.options.{name}")
        for name, value in partner.connector.options.items()
    }
    try:
        return kind.model_validate(resolved)
    except ValidationError as problem:
        raise option_error(problem, kind, file) from None


def unset_names(partner: Partner, environment: Mapping[str, str]) -> list[str]:
    """The `${NAME}` of the connector that `environment` lacks; raises ContentError for an unknown option."""
    if partner.connector is None:
        return []
    known = OPTIONS[partner.connector.type].model_fields
    for name in partner.connector.options:
        if name not in known:
            file, field = f"mappings/{partner.code}/partner.yaml", f"connector.options.{name}"
            raise ContentError("no such option", file=file, field=field, valid=known)
    missing = sorted(names_in(partner.connector.options) - set(environment))
    if not missing:
        read_options(partner, environment)
    return missing


def names_in(options: Mapping[str, Any]) -> set[str]:
    """The `${NAME}` that stand in options."""
    return set(_NAME.findall(repr(options)))


def resolve(value: Any, environment: Mapping[str, str], file: str, field: str) -> Any:
    """A value with every `${NAME}` in it replaced; raises ContentError for one that is not set."""
    if isinstance(value, dict):
        return {name: resolve(item, environment, file, f"{field}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, environment, file, field) for item in value]
    if not isinstance(value, str):
        return value

    def named(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ContentError(
                f"`${{{match[1]}}}` is not set; set it in the environment of the run", file=file, field=field
            )
        return environment[match[1]]

    return _NAME.sub(named, value)


def option_error(
    problem: ValidationError, kind: type[Options], file: str, where: str = "connector.options"
) -> ContentError:
    """What is wrong with an option, in our own words: file, field, what is valid."""
    first = problem.errors(include_input=False, include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    valid: tuple[str, ...] = ()
    if first["type"] == "extra_forbidden":
        valid = tuple(TokenOptions.model_fields if path[:-1] == ["token"] else kind.model_fields)
    message = "no such option" if valid else str(first["msg"])
    return ContentError(message, file=file, field=".".join([where, *path]), valid=valid)
