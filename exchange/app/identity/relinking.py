"""A new model: what it would change, told first; then done as it was told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exchange.app.opening import Exchange
from exchange.linkage import parse_model
from exchange.linkage.model import MODEL_FILE
from exchange.repository import Difference, activate, difference


@dataclass(frozen=True, slots=True)
class Report:
    """`digest` names the report; activation asks for it."""

    digest: str
    difference: Difference


def model_difference(exchange: Exchange, file: Path | None) -> Report:
    """What linking everybody anew would change: under the model in `file`, or the one in mappings/.

    Placeholders and name forms are those in mappings/. Raises ContentError for a file that is no model.
    """
    files = exchange.mappings if file is None else {**exchange.mappings, MODEL_FILE: file.read_text("utf-8")}
    with exchange.work.connect() as connection:
        found = difference(connection, parse_model(files), exchange.context, exchange.work.now())
    return Report(found.digest, found)


def link_everybody_anew(exchange: Exchange, digest: str) -> Report:
    """Activates the model in mappings/ for all who are known, if it does what the report told.

    Raises Conflict when the exchange has moved on since, and the report is another one now.
    """
    with exchange.work.connect() as connection:
        done = activate(connection, exchange.work.model, exchange.context, exchange.work.now(), digest)
        connection.commit()
    return Report(done.digest, done)
