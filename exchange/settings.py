"""Where this deployment keeps its content, its state and its secrets: environment variables only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exchange.model.errors import ContentError

VARIABLES: Mapping[str, str] = {
    "EXCHANGE_HOME": "folder that holds mappings/ and consent/ (default: the nearest parent that does)",
    "EXCHANGE_DATA": "folder for all state; deleting it is a reset (default: .data in EXCHANGE_HOME)",
    "EXCHANGE_DATABASE_URL": "PostgreSQL to use (default: an embedded server in EXCHANGE_DATA)",
    "EXCHANGE_API_DATABASE_URL": "the same database as the API logs in to it, role exchange_api"
    " (default: that role without a password)",
    "EXCHANGE_STANDBY_URL": "a hot standby of the same database as the API logs in to it, to read there"
    " (default: none, and the primary is read)",
    "EXCHANGE_LANDING": "fsspec URL of the landing store (default: landing in EXCHANGE_DATA)",
    "EXCHANGE_BATCHES": "fsspec URL for batches between steps (default: batches in EXCHANGE_DATA)",
    "EXCHANGE_EXPORTS": "fsspec URL for the sealed files of $export (default: exports in EXCHANGE_DATA)",
    "EXCHANGE_KEYRING": "file with the sealing keys (default: keys/keyring.json in EXCHANGE_DATA)",
    "EXCHANGE_SIGNING_KEY": "file with the Ed25519 key that signs tokens and seals the audit log"
    " (default: keys/signing.pem in EXCHANGE_DATA)",
    "EXCHANGE_BASE_URL": "address partners reach the API under (default: where `exchange serve` listens)",
    "EXCHANGE_ORIGINS": "origins whose pages in a browser may ask the API (CORS), with blanks between"
    " (default: none)",
    "EXCHANGE_ACTIVATION": "`officers`: the rules two privacy officers signed are in force (production);"
    " `demo`: those of consent/ as they lie there (default: demo)",
    "EXCHANGE_AUDIT_YEARS": "years after which records of the audit log go that nobody holds, 6 at least"
    " (default: none ever goes)",
    "EXCHANGE_PROCESSES": "processes that map, label and publish a large run"
    " (default: one per core, four at most)",
    "EXCHANGE_OPENID_ISSUER": "issuer of OpenID Connect whose people may sign in to the console"
    " (default: local accounts only); EXCHANGE_OPENID_CLIENT and EXCHANGE_OPENID_SECRET are our client there",
    "EXCHANGE_AIRFLOW_URL": "where Airflow's pages are, for links from the console (default: no links)",
    "EXCHANGE_ENVIRONMENT": "JSON file with values for ${NAME} in partner.yaml, beside the process"
    " environment (default: environment.json in EXCHANGE_DATA, if there)",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """One deployment; paths are absolute."""

    home: Path
    data: Path
    database_url: str | None
    api_database_url: str | None
    landing: str
    batches: str
    keyring: Path
    signing_key: Path
    base_url: str
    environment_file: Path
    activation: str = "demo"
    exports: str = ""
    origins: tuple[str, ...] = ()
    audit_years: int | None = None
    processes: int = 1
    standby_url: str | None = None


def content_home(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds mappings/ and consent/."""
    for folder in (start, *start.parents):
        if (folder / "mappings").is_dir() and (folder / "consent").is_dir():
            return folder
    raise ContentError(
        "no folder here or above holds mappings/ and consent/; set EXCHANGE_HOME", file=start.name
    )


def load_settings(environment: Mapping[str, str] = os.environ, start: Path | None = None) -> Settings:
    """Settings from `environment`; raises ContentError when the content cannot be found."""
    named = environment.get("EXCHANGE_HOME")
    home = content_home((Path(named) if named else start or Path.cwd()).resolve())
    data = Path(environment.get("EXCHANGE_DATA") or home / ".data").resolve()

    def path(name: str, default: str) -> Path:
        return Path(environment.get(name) or data / default).resolve()

    return Settings(
        home=home,
        data=data,
        database_url=environment.get("EXCHANGE_DATABASE_URL") or None,
        api_database_url=environment.get("EXCHANGE_API_DATABASE_URL") or None,
        standby_url=environment.get("EXCHANGE_STANDBY_URL") or None,
        landing=environment.get("EXCHANGE_LANDING") or (data / "landing").as_uri(),
        batches=environment.get("EXCHANGE_BATCHES") or (data / "batches").as_uri(),
        origins=_origins(environment.get("EXCHANGE_ORIGINS", "")),
        exports=environment.get("EXCHANGE_EXPORTS") or (data / "exports").as_uri(),
        keyring=path("EXCHANGE_KEYRING", "keys/keyring.json"),
        signing_key=path("EXCHANGE_SIGNING_KEY", "keys/signing.pem"),
        base_url=(environment.get("EXCHANGE_BASE_URL") or "http://127.0.0.1:8765").rstrip("/"),
        environment_file=path("EXCHANGE_ENVIRONMENT", "environment.json"),
        activation=_activation(environment.get("EXCHANGE_ACTIVATION") or "demo"),
        audit_years=_audit_years(environment.get("EXCHANGE_AUDIT_YEARS", "")),
        processes=_processes(environment.get("EXCHANGE_PROCESSES", "")),
    )


def _origins(text: str) -> tuple[str, ...]:
    """Whole origins only: a star would let every page in the world ask with a token it got hold of."""
    found = tuple(text.split())
    for origin in found:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not host or any(c in host for c in "/*?#@"):
            raise ContentError("must be https://host[:port]", field="EXCHANGE_ORIGINS")
    return found


def _audit_years(text: str) -> int | None:
    """45 CFR 164.316(b)(2)(i) and 164.528(a)(1) ask for six."""
    if not text:
        return None
    if not text.isdecimal() or not 6 <= int(text) <= 100:
        raise ContentError("must be a whole number of years from 6 on", field="EXCHANGE_AUDIT_YEARS")
    return int(text)


def _processes(text: str) -> int:
    if not text:
        return min(os.cpu_count() or 1, 4)
    if not text.isdecimal() or int(text) < 1:
        raise ContentError("must be a whole number from 1 on", field="EXCHANGE_PROCESSES")
    return int(text)


def _activation(named: str) -> str:
    if named not in ("demo", "officers"):
        raise ContentError("no such way", field="EXCHANGE_ACTIVATION", valid=("demo", "officers"))
    return named
