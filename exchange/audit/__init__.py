"""The record of every disclosure: FHIR AuditEvents in an append-only, hash-chained, sealed log."""

from exchange.audit.accounting import Disclosure, accounting, look_without_names, looks
from exchange.audit.chain import AuditFailed, Seal, append, seal
from exchange.audit.changes import consent_entries
from exchange.audit.disclosures import Sending, disclosure_entries
from exchange.audit.events import (
    Disclosed,
    Entry,
    denied_entry,
    query_entries,
    read_entry,
    token_entry,
)
from exchange.audit.inclusion import prove, proves
from exchange.audit.officers import decide_once, officer_entries
from exchange.audit.parts import Circumstances, Requester
from exchange.audit.people import client_entry, sign_in_entry, subscription_entry, view_entries
from exchange.audit.proof import Finding, verify
from exchange.audit.pruning import prune
from exchange.audit.stewardship import steward_entries

__all__ = [
    "AuditFailed",
    "Circumstances",
    "Disclosed",
    "Disclosure",
    "Entry",
    "Finding",
    "Requester",
    "Seal",
    "Sending",
    "accounting",
    "append",
    "client_entry",
    "consent_entries",
    "decide_once",
    "denied_entry",
    "disclosure_entries",
    "look_without_names",
    "looks",
    "officer_entries",
    "prove",
    "proves",
    "prune",
    "query_entries",
    "read_entry",
    "seal",
    "sign_in_entry",
    "steward_entries",
    "subscription_entry",
    "token_entry",
    "verify",
    "view_entries",
]
