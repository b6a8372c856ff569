"""The shared repository on PostgreSQL: what is stored, who it is about, and what each viewer gets to see."""

from exchange.repository.database.dumping import create_reader_role, dumped, require_empty, restore_dump
from exchange.repository.database.embedded import (
    ensure_database,
    ensure_running,
    scheduler_database,
    stop,
    url_with,
)
from exchange.repository.database.lists import write_lists_quickly
from exchange.repository.database.migrate import migrate, unapplied
from exchange.repository.disclosure.care import (
    EmergencyAccess,
    Finding,
    emergencies_by,
    emergency_access,
    emergency_accesses,
    review_emergency,
)
from exchange.repository.disclosure.clock import ClockRunsBackwards, accept_clock, latest_instant
from exchange.repository.disclosure.directory import after_publishers, alone_if_needed
from exchange.repository.disclosure.folding import fold_new_classes
from exchange.repository.disclosure.late import (
    Closing,
    LateDisclosure,
    close_late_disclosure,
    late_disclosure,
    late_disclosures,
    late_disclosures_by,
    patient_of_late,
)
from exchange.repository.disclosure.overlay import settle as settle_overlay
from exchange.repository.disclosure.own_care import mark_own_care, mark_own_care_of
from exchange.repository.disclosure.registering import register_participants
from exchange.repository.disclosure.relabel import Kept, Key, Relabelled, add_labels, kept_of
from exchange.repository.disclosure.reprofile import Reprofiled, consents_of, reprofile
from exchange.repository.disclosure.ruling import hold_ruling, redecide_all
from exchange.repository.disclosure.viewers import load_classes, viewers
from exchange.repository.disclosure.withdraw import (
    readmissible_records,
    reasons_withheld,
    reasons_withheld_by_run,
)
from exchange.repository.identity.edges import evidence_now
from exchange.repository.identity.links import (
    IncomingPatient,
    LinkResult,
    Word,
    decide_review,
    latest_event,
    link_patients,
)
from exchange.repository.identity.relinking import Difference, activate, difference
from exchange.repository.identity.reviews import (
    Change,
    Doubt,
    Event,
    Overlay,
    Told,
    ask_partners,
    changes_back,
    changes_of_persons,
    contributions_of,
    doubts,
    events_of,
    joined_since,
    overlays,
    patients_of,
)
from exchange.repository.reading.bulk import (
    Line,
    Portion,
    Steady,
    absorbed_since,
    bulk_slice,
    deleted_slice,
    deletions_told,
    still_absorbed,
    still_told,
)
from exchange.repository.reading.chosen import Chosen, Wanted, chosen, seen_pairs
from exchange.repository.reading.cursor import CursorRefused
from exchange.repository.reading.everything import compartment, everything
from exchange.repository.reading.history import history, is_gone, read_version
from exchange.repository.reading.lastn import lastn
from exchange.repository.reading.leading import leads_of, led
from exchange.repository.reading.match import Described, Identity, Matches, match
from exchange.repository.reading.mirrored import about_nobody, patients_after, still_seen, wanted_of
from exchange.repository.reading.page import Entry, Page, searchset
from exchange.repository.reading.persons import Person, persons_of
from exchange.repository.reading.read import Found, found_of, in_form, read
from exchange.repository.reading.reader import Lent, Reader, Terms, reader
from exchange.repository.reading.scoping import Criteria, scope_criteria, scope_setting
from exchange.repository.reading.search import search, search_for
from exchange.repository.reading.standby import LogEnd, has_replayed, log_end
from exchange.repository.reading.summary import Summary, summary
from exchange.repository.reading.syntax import BadSearch
from exchange.repository.reading.view import Served
from exchange.repository.storage.items import ItemOutcome, PublishItem, PublishResult
from exchange.repository.storage.known import known_labels, references_of_stored
from exchange.repository.storage.moments import instant, stored_name, version_id
from exchange.repository.storage.parameters import parameters
from exchange.repository.storage.reindex import IndexState, index_state, note_empty_index, reindex
from exchange.repository.storage.statistics import refresh_statistics
from exchange.repository.storage.store import remove as remove_rows
from exchange.repository.write import publish

__all__ = [
    "BadSearch",
    "Change",
    "Chosen",
    "ClockRunsBackwards",
    "Closing",
    "Criteria",
    "CursorRefused",
    "Described",
    "Difference",
    "Doubt",
    "EmergencyAccess",
    "Entry",
    "Event",
    "Finding",
    "Found",
    "Identity",
    "IncomingPatient",
    "IndexState",
    "ItemOutcome",
    "Kept",
    "Key",
    "LateDisclosure",
    "Lent",
    "Line",
    "LinkResult",
    "LogEnd",
    "Matches",
    "Overlay",
    "Page",
    "Person",
    "Portion",
    "PublishItem",
    "PublishResult",
    "Reader",
    "Relabelled",
    "Reprofiled",
    "Served",
    "Steady",
    "Summary",
    "Terms",
    "Told",
    "Wanted",
    "Word",
    "about_nobody",
    "absorbed_since",
    "accept_clock",
    "activate",
    "add_labels",
    "after_publishers",
    "alone_if_needed",
    "ask_partners",
    "bulk_slice",
    "changes_back",
    "changes_of_persons",
    "chosen",
    "close_late_disclosure",
    "compartment",
    "consents_of",
    "contributions_of",
    "create_reader_role",
    "decide_review",
    "deleted_slice",
    "deletions_told",
    "difference",
    "doubts",
    "dumped",
    "emergencies_by",
    "emergency_access",
    "emergency_accesses",
    "ensure_database",
    "ensure_running",
    "events_of",
    "everything",
    "evidence_now",
    "fold_new_classes",
    "found_of",
    "has_replayed",
    "history",
    "hold_ruling",
    "in_form",
    "index_state",
    "instant",
    "is_gone",
    "joined_since",
    "kept_of",
    "known_labels",
    "lastn",
    "late_disclosure",
    "late_disclosures",
    "late_disclosures_by",
    "latest_event",
    "latest_instant",
    "leads_of",
    "led",
    "link_patients",
    "load_classes",
    "log_end",
    "mark_own_care",
    "mark_own_care_of",
    "match",
    "migrate",
    "note_empty_index",
    "overlays",
    "parameters",
    "patient_of_late",
    "patients_after",
    "patients_of",
    "persons_of",
    "publish",
    "read",
    "read_version",
    "reader",
    "readmissible_records",
    "reasons_withheld",
    "reasons_withheld_by_run",
    "redecide_all",
    "references_of_stored",
    "refresh_statistics",
    "register_participants",
    "reindex",
    "remove_rows",
    "reprofile",
    "require_empty",
    "restore_dump",
    "review_emergency",
    "scheduler_database",
    "scope_criteria",
    "scope_setting",
    "search",
    "search_for",
    "searchset",
    "seen_pairs",
    "settle_overlay",
    "still_absorbed",
    "still_seen",
    "still_told",
    "stop",
    "stored_name",
    "summary",
    "unapplied",
    "url_with",
    "version_id",
    "viewers",
    "wanted_of",
    "write_lists_quickly",
]
