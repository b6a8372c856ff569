"""The privacy officer's pages on the audit log: searched, one record, the whole log verified."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import urlencode

from psycopg.types.json import Jsonb

from exchange.app.privacy.auditing import verify_audit_log
from exchange.audit.days import kinds_written
from exchange.audit.searching import Wanted, find_events, get_event
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.event_words import event_words
from exchange.console.exports import export
from exchange.console.given import whole
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, after, asked_for, stretch

_ROLES: tuple[Role, ...] = ("privacy-officer",)


_MOST = 5_000
_EVENTS = (
    Column("sequence", _("Number"), "id", lambda row: f"/privacy/audit/{row['sequence']}"),
    Column("at", _("When"), "moment"),
    Column("kind", _("What"), "word:event"),
    Column("who", _("Who"), "participant"),
    Column("purpose", _("Purpose"), "purpose"),
    Column("outcome", _("Outcome"), "mark:ending"),
)


def audit(desk: Desk, visit: Visit) -> Answer:
    asked = {**visit.query, **visit.form}
    wanted = Wanted(
        kind=asked.get("kind", ""),
        participant=asked.get("participant", ""),
        login=asked.get("login", "").strip(),
        since=_day(asked.get("since", "")),
        until=_day(asked.get("until", "")),
    )
    taken_along = visit.query.get("format") == "csv"
    with desk.exchange.work.connect() as connection:
        begins = None if taken_along else after("events", visit.query)
        found = find_events(
            connection, wanted, _MOST if taken_along else asked_for("events", visit.query), begins
        )
        kinds = kinds_written(connection)
    outcomes = {"0": "good", "4": "warn", "8": "bad", "12": "bad"}
    rows: list[Row] = [asdict(e) | {"outcome": outcomes.get(e.outcome, e.outcome)} for e in found]
    views = _views(desk, visit)
    if taken_along:
        return export("audit", _EVENTS, rows, Speech(visit.language, desk.exchange))
    values = {
        "kinds": kinds,
        "wanted": wanted,
        "views": views,
        "participants": sorted(desk.exchange.partners),
    }
    return Page(
        "officer/audit.html", {**values, "events": stretch("events", _EVENTS, rows, visit.query, "sequence")}
    )


def _views(desk: Desk, visit: Visit) -> list[tuple[str, str]]:
    """(name, address) of the searches this person keeps."""
    with desk.exchange.work.connect() as connection:
        rows = connection.execute(
            "SELECT name, fields FROM console_saved_view WHERE login = %s ORDER BY name", [visit.person.login]
        ).fetchall()
    return [(name, "/privacy/audit?" + urlencode(fields)) for name, fields in rows]


def keep_view(desk: Desk, visit: Visit) -> Answer:
    name = visit.form.get("name", "").strip()
    if not name.isprintable() or not 0 < len(name) <= 80:
        raise Unusable(_("A name has 1 to 80 letters."), "name")
    fields = {key: visit.form[key][:100] for key in _SEARCHED if visit.form.get(key)}
    with desk.exchange.work.connect() as connection:
        connection.execute(
            "INSERT INTO console_saved_view VALUES (%s, %s, %s)"
            " ON CONFLICT (login, name) DO UPDATE SET fields = excluded.fields",
            [visit.person.login, name, Jsonb(fields)],
        )
        connection.commit()
    return Redirect("/privacy/audit?" + urlencode(fields), told=_("The view is saved."))


def drop_view(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        connection.execute(
            "DELETE FROM console_saved_view WHERE (login, name) = (%s, %s)",
            [visit.person.login, visit.form.get("name", "")],
        )
        connection.commit()
    return Redirect("/privacy/audit", told=_("The view is deleted."))


_SEARCHED = ("kind", "participant", "login", "since", "until")


def audit_event(desk: Desk, visit: Visit) -> Answer:
    with desk.exchange.work.connect() as connection:
        found = get_event(connection, whole(visit.path["sequence"]))
        if found is None:
            raise NotFound
        kind, participant, patient = connection.execute(
            "SELECT kind, participant, patient::text FROM audit_event WHERE sequence = %s",
            [whole(visit.path["sequence"])],
        ).fetchone() or ("", None, None)
    event, previous, own = found
    values = {
        "words": event_words(event, kind, participant, Speech(visit.language, desk.exchange)),
        "at": datetime.fromisoformat(event["recorded"]),
        "sequence": visit.path["sequence"],
        "event": json.dumps(event, indent=2, ensure_ascii=False),
        "previous": previous.hex(),
        "own": own.hex(),
        "patient": patient,
    }
    return Page("officer/event.html", values, patients=(patient,) if patient else ())


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


PLACES = (
    Place("/privacy/audit", audit, _ROLES),
    Place("/privacy/audit/views", keep_view, _ROLES, "POST", form=audit),
    Place("/privacy/audit/views/deleted", drop_view, _ROLES, "POST"),
    Place("/privacy/audit/verified", verify, _ROLES, "POST"),
    Place("/privacy/audit/{sequence}", audit_event, _ROLES, purpose="HCOMPL"),
)
