"""From `connector.type` in a partner.yaml to the connector that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.connectors.fhir_bulk import connect_bulk
from exchange.connectors.fhir_search import connect_search
from exchange.connectors.folder import connect_folder
from exchange.connectors.http_json import connect_json
from exchange.connectors.mllp import connect_journal
from exchange.connectors.options import (
    FhirBulkOptions,
    FhirSearchOptions,
    FolderOptions,
    HttpJsonOptions,
    MllpOptions,
    PushOptions,
    SftpOptions,
    read_options,
)
from exchange.crypto import Keyring
from exchange.model.errors import ContentError
from exchange.model.partner import Partner
from exchange.model.records import Checkpoint, Document

Cursor = dict[str, Any]
Connector = Callable[[Cursor | None], Iterator[Document | Checkpoint]]


@dataclass(frozen=True, slots=True)
class LocalPaths:
    """What connectors keep on this machine: the listeners' journals, sealed with `keyring`."""

    spool: Path
    keyring: Keyring


def open_connector(partner: Partner, environment: Mapping[str, str], local: LocalPaths) -> Connector:
    """The partner's connector, `${NAME}` in its options taken from `environment`; raises ContentError."""
    options = read_options(partner, environment)
    match options:
        case FhirSearchOptions():
            return connect_search(partner, options)
        case FhirBulkOptions():
            return connect_bulk(partner, options)
        case HttpJsonOptions():
            return connect_json(partner, options)
        case FolderOptions():
            return connect_folder(partner, options)
        case SftpOptions():
            from exchange.connectors.sftp import connect_sftp  # imports for long what few partners need

            return connect_sftp(partner, options)
        case MllpOptions():
            return connect_journal(partner, local.spool, local.keyring)
        case PushOptions():
            raise ContentError(
                "what is pushed waits in the database, not with a connector", field="connector"
            )
        case _:
            raise AssertionError(f"connector type without an opening: {type(options).__name__}")
