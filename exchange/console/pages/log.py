"""The privacy officer's pages on the audit log: searched, one record, the whole log verified."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from exchange.app.privacy.auditing import verify_audit_log
from exchange.audit.searching import Wanted, find_events, get_event
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.messages import Answer, NotFound, Page, Unusable, Visit
from exchange.console.places import Place
from exchange.console.tables import Column, Row, export, table

_ROLES: tuple[Role, ...] = ("privacy-officer",)


def _(text: str) -> str:
    """Marks a text for the catalogues."""
    return text


_MOST = 5_000
_EVENTS = (
    Column("sequence", _("Number"), "number", lambda row: f"/privacy/audit/{row['sequence']}"),
    Column("at", _("When"), "moment"),
    Column("kind", _("What")),
    Column("who", _("Who")),
    Column("purpose", _("Purpose")),
    Column("outcome", _("Outcome"), "mark"),
)


def audit(desk: Desk, visit: Visit) -> Answer:
    wanted = Wanted(
        kind=visit.query.get("kind", ""),
        participant=visit.query.get("participant", ""),
        since=_day(visit.query.get("since", "")),
        until=_day(visit.query.get("until", "")),
    )
    with desk.exchange.work.connect() as connection:
        found = find_events(connection, wanted, _MOST)
        kinds = [row[0] for row in connection.execute("SELECT DISTINCT kind FROM audit_event ORDER BY 1")]
    outcomes = {"0": "good", "4": "warn", "8": "bad", "12": "bad"}
    rows: list[Row] = [asdict(e) | {"outcome": outcomes.get(e.outcome, e.outcome)} for e in found]
    if visit.query.get("format") == "csv":
        return export("audit", _EVENTS, rows)
    values = {"kinds": kinds, "wanted": wanted, "participants": sorted(desk.exchange.partners)}
    return Page("officer/audit.html", {**values, "events": table("events", _EVENTS, rows, visit.query)})


def audit_event(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = get_event(connection, _whole(visit.path["sequence"]))
        if found is None:
            raise NotFound
        about = connection.execute(
            "SELECT patient::text FROM audit_event WHERE sequence = %s AND patient IS NOT NULL",
            [_whole(visit.path["sequence"])],
        ).fetchall()
    event, previous, own = found
    values = {
        "sequence": visit.path["sequence"],
        "event": event,
        "previous": previous.hex(),
        "own": own.hex(),
    }
    return Page("officer/event.html", values, patients=tuple(row[0] for row in about))


def verify(desk: Desk, visit: Visit) -> Answer:
    findings = verify_audit_log(desk.exchange)
    return Page("officer/verified.html", {"findings": findings})


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Unusable(_("A day is written like 2026-11-26.")) from None


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise NotFound
    return int(text)


PLACES = (
    Place("/privacy/audit", audit, _ROLES),
    Place("/privacy/audit/verified", verify, _ROLES, "POST"),
    Place("/privacy/audit/{sequence}", audit_event, _ROLES, purpose="HCOMPL"),
)
