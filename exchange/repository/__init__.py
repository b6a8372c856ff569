"""The shared repository on PostgreSQL: what is stored, who it is about, and what each viewer gets to see."""

from exchange.repository.clock import ClockRunsBackwards, accept_clock, latest_instant
from exchange.repository.conditions import BadSearch
from exchange.repository.cursor import CursorRefused
from exchange.repository.disclosure import load_classes, viewers
from exchange.repository.embedded import ensure_database, ensure_running, stop, url_with
from exchange.repository.everything import everything
from exchange.repository.identity import IncomingPatient, LinkResult, Word, decide_review, link_patients
from exchange.repository.items import ItemOutcome, PublishItem, PublishResult
from exchange.repository.known import known_labels
from exchange.repository.late import Closing, LateDisclosure, close_late_disclosure, late_disclosures
from exchange.repository.migrate import migrate
from exchange.repository.overlay import settle as settle_overlay
from exchange.repository.page import Entry, Page, searchset
from exchange.repository.parameters import parameters
from exchange.repository.read import Found, read
from exchange.repository.reader import Lent, Reader, reader
from exchange.repository.relabel import Kept, Key, Relabelled, add_labels, kept_of
from exchange.repository.reprofile import Reprofiled, consents_of, reprofile
from exchange.repository.reviews import (
    Change,
    Doubt,
    Event,
    Overlay,
    ask_partners,
    changes_of_persons,
    doubts,
    events_of,
    joined_since,
    overlays,
    patients_of,
)
from exchange.repository.ruling import redecide_all, register_participants
from exchange.repository.search import search
from exchange.repository.store import remove as remove_rows
from exchange.repository.withdraw import readmissible_records, reasons_withheld
from exchange.repository.write import publish

__all__ = [
    "BadSearch",
    "Change",
    "ClockRunsBackwards",
    "Closing",
    "CursorRefused",
    "Doubt",
    "Entry",
    "Event",
    "Found",
    "IncomingPatient",
    "ItemOutcome",
    "Kept",
    "Key",
    "LateDisclosure",
    "Lent",
    "LinkResult",
    "Overlay",
    "Page",
    "PublishItem",
    "PublishResult",
    "Reader",
    "Relabelled",
    "Reprofiled",
    "Word",
    "accept_clock",
    "add_labels",
    "ask_partners",
    "changes_of_persons",
    "close_late_disclosure",
    "consents_of",
    "decide_review",
    "doubts",
    "ensure_database",
    "ensure_running",
    "events_of",
    "everything",
    "joined_since",
    "kept_of",
    "known_labels",
    "late_disclosures",
    "latest_instant",
    "link_patients",
    "load_classes",
    "migrate",
    "overlays",
    "parameters",
    "patients_of",
    "publish",
    "read",
    "reader",
    "readmissible_records",
    "reasons_withheld",
    "redecide_all",
    "register_participants",
    "remove_rows",
    "reprofile",
    "search",
    "searchset",
    "settle_overlay",
    "stop",
    "url_with",
    "viewers",
]
