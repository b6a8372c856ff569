"""The data engineer's pages on maps: what they leave, what a change does, codes to map, a new partner."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from exchange.app.partners.trying import Wish, recognised, try_wish, wish_from_json, wish_to_json, write_wish
from exchange.app.records.coding import add_row, answers_of, worklist
from exchange.app.records.differing import difference
from exchange.app.records.reporting import count_report, counted_report
from exchange.console.accounts import Role
from exchange.console.desk import Desk
from exchange.console.given import whole
from exchange.console.kept import brought, keep
from exchange.console.marking import _
from exchange.console.messages import Answer, NotFound, Page, Redirect, Unusable, Upload, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Row, table
from exchange.content import read_tree
from exchange.model.errors import ContentError
from exchange.model.partner import DEFAULT_TIMEZONE

_ROLES: tuple[Role, ...] = ("data-engineer",)
_LATEST, _MORE = 50, 1_000
_ANSWERS = 30  # of a code map, to be chosen from; of more one is written down
_EQUIVALENCES = ("equivalent", "equal", "wider", "narrower", "inexact", "unmatched")


_CODES = (
    Column("partner", _("Partner"), "participant", link=lambda row: f"/partners/{row['partner']}"),
    Column("code_map", _("Code map"), "code"),
    Column("code", _("Code"), "code", lambda row: row["address"]),
    Column("records", _("Records"), "number"),
    Column("elements", _("Element")),
    Column("suggested", _("Likeliest, and how alike its words are"), "lines"),
)
_UNREAD = (
    Column("position", _("Feed and position"), "code"),
    Column("records", _("Records"), "number"),
    Column("lost", _("Clinical content"), "translated"),
)
_EMPTY = (Column("profile", _("Profile"), "code"), Column("elements", _("Elements never filled"), "code"))
_ISSUES = (
    Column("severity", _("Severity"), "mark"),
    Column("code", _("Kind"), "word:issue"),
    Column("element", _("Element"), "code"),
    Column("reason", _("Reason"), "finding"),
    Column("records", _("Records"), "number"),
)
_SAMPLE_ISSUES = (
    Column("severity", _("Severity"), "mark"),
    Column("expression", _("Element"), "code"),
    Column("detail", _("Reason"), "finding"),
    Column("position", _("Stands at"), "place"),
)
_CHANGES = (
    Column("kind", _("What happens"), "translated"),
    Column("what", _("To what"), "code"),
    Column("count", _("How often"), "number"),
)


def loss(desk: Desk, visit: Visit) -> Answer:
    code = _partner(desk, visit)
    counted = counted_report(desk.exchange, code, _LATEST)
    found = counted.report
    unread: list[Row] = [
        {"position": name, "records": count, "lost": _("lost") if name in found.lost else "–"}
        for name, count in found.unread.items()
    ]
    empty = [{"profile": name, "elements": ", ".join(paths)} for name, paths in found.never_filled.items()]
    issues = [_issue(name) | {"records": count} for name, count in found.issues.items()]
    return Page(
        "engineer/loss.html",
        {
            "report": found,
            "counted": counted,
            "numbers": (_LATEST, _MORE),
            "unread": table("unread", _UNREAD, unread, visit.query, "records", descending=True),
            "empty": table("empty", _EMPTY, empty, visit.query),
            "issues": table("issues", _ISSUES, issues, visit.query),
        },
    )


def _issue(name: str) -> dict[str, Any]:
    """The parts of an issue's name in a report."""
    place, _colon, reason = name.partition(": ")
    severity, code, element = [*place.split(" ", 2), "", ""][:3]
    return {"severity": severity, "code": code, "element": element, "reason": reason}


def count_loss(desk: Desk, visit: Visit) -> Answer:
    code = _partner(desk, visit)
    desk.opened.look()
    count_report(desk.exchange, code, _MORE if visit.form.get("latest") == str(_MORE) else _LATEST)
    return Redirect(f"/partners/{code}/loss", told=_("Counted again, with the maps of now."))


def comparison(desk: Desk, visit: Visit) -> Page:
    """What to compare with, before it is compared."""
    against, days = visit.query.get("against", "HEAD"), visit.query.get("days", "30")
    values = {"partner": _partner(desk, visit), "against": against, "days": days, "found": None}
    return Page("engineer/difference.html", values)


def changes(desk: Desk, visit: Visit) -> Answer:
    values = dict(comparison(desk, visit).values)
    code, against, days = values["partner"], values["against"], values["days"]
    if "against" in visit.query:
        if not days.isdecimal() or len(days) > 4:
            raise Unusable(_("Days are a whole number."), "days")
        if not _may_read(desk.exchange.settings.home, against):
            raise Unusable(
                _("Compare with a git revision, or with a folder of this exchange's home."), "against"
            )
        found = difference(desk.exchange, code, visit.at - timedelta(days=int(days)), against)
        rows = [{"kind": kind, "what": what, "count": count} for kind, what, count in found.changes]
        values |= {
            "found": found,
            "changes": table(
                "changes", _CHANGES, rows, visit.query, shown=Speech(visit.language, desk.exchange).shown
            ),
        }
    return Page("engineer/difference.html", values)


def _may_read(home: Path, against: str) -> bool:
    """A page reads what the home holds: a path may lead, by itself or by a link, nowhere else."""
    if "\0" in against or not against:
        return False
    named = Path(against)
    return not named.exists() or named.resolve().is_relative_to(home.resolve())


def codes(desk: Desk, visit: Visit) -> Answer:
    said = Speech(visit.language, desk.exchange)
    rows: list[Row] = [
        {
            "partner": task.code.partner,
            "code_map": task.code.code_map,
            "code": task.code.code or said.say(_("(text)")),
            "records": task.code.records,
            "elements": ", ".join(task.code.elements),
            "suggested": tuple(f"{s.code} {s.display} ({s.score} %)" for s in task.suggestions[:2]),
            "address": f"/codes/{task.code.partner}/{number}" if task.code.code else "",
        }
        for number, task in enumerate(worklist(desk.exchange, None))
    ]
    shown = table("codes", _CODES, rows, visit.query, "records", descending=True, shown=said.shown)
    return Page("engineer/codes.html", {"codes": shown})


def code(desk: Desk, visit: Visit) -> Answer:
    tasks = worklist(desk.exchange, None)
    number = whole(visit.path["number"])
    if number >= len(tasks) or tasks[number].code.partner != visit.path["partner"]:
        raise NotFound
    task = tasks[number]
    answers = answers_of(desk.exchange, task)
    systems = {one.system for one in answers} | {one.system for one in task.suggestions}
    values = {
        "task": task, "equivalences": _EQUIVALENCES, "number": number,
        "answers": answers if len(answers) <= _ANSWERS else [],
        "system": systems.pop() if len(systems) == 1 else "",
    }  # fmt: skip
    return Page("engineer/code.html", values)


def map_code(desk: Desk, visit: Visit) -> Answer:
    """Writes a row into the partner's own file, or everybody's: a change of content to review."""
    form, partner = visit.form, _partner(desk, visit)
    chosen = form.get("chosen", "").split("|", 2)
    system, target, display = chosen if len(chosen) == 3 else ("", "", "")
    if form.get("target_code"):
        system, target, display = (
            form.get("target_system", ""),
            form["target_code"],
            form.get("target_display", ""),
        )
    equivalence = form.get("equivalence", "equivalent")
    if not target and equivalence != "unmatched":
        raise Unusable(_("Choose what the code means, or say that nothing matches."), "chosen")
    mappings = desk.exchange.settings.home / "mappings"
    owner = "_shared" if form.get("owner") == "_shared" else partner
    row = {
        "source_system": form.get("source_system", ""), "source_code": form.get("source_code", ""),
        "target_system": system, "target_code": target, "target_display": display, "equivalence": equivalence,
        "from": "", "to": "",
    }  # fmt: skip
    add_row(mappings, read_tree(mappings), owner, form.get("code_map", ""), row)
    desk.opened.look()
    return Redirect(
        "/codes", told=_("A row was added to the code map. Review and commit it; runs that start now use it.")
    )


def wish(desk: Desk, visit: Visit) -> Answer:
    """Empty, or with what was typed and brought back, the map among it."""
    given = {name: visit.form.get(name, "") for name in ("wish", "map", "code", "folder", "kept")}
    sample = (brought(desk, visit, "sample") or {}).get("name", "")
    return Page("engineer/new.html", {"tried": None, "sample": sample, **given})


def try_out(desk: Desk, visit: Visit) -> Answer:
    """Shows the proposed map and what it makes of the sample; with `write`, writes the folder."""
    form, sample = visit.form, visit.files.get("sample")
    today = visit.at.astimezone(ZoneInfo(DEFAULT_TIMEZONE)).date().isoformat()
    if form.get("do") == "write":
        chosen = _wished(desk, visit)
        written = write_wish(desk.exchange, chosen, today)
        desk.opened.look()
        return Page("engineer/written.html", {"written": written, "code": chosen.code})
    if sample is None or not sample.content:
        sample = _sample_of_before(desk, visit)
    if form.get("wish"):
        chosen = _wished(desk, visit)
    else:
        if form.get("code", "") in desk.exchange.partners:
            raise ContentError("there is such a partner already", field=form["code"])
        chosen = recognised(form.get("code", ""), form.get("folder", ""), sample.name, sample.content)
    tried = try_wish(desk.exchange, chosen, today, sample.name, sample.content)
    rows: list[Row] = [asdict(issue) for issue in (*tried.left_out, *tried.checked.issues)]
    kept = {"name": sample.name, "content": b64encode(sample.content).decode()}
    shown = Speech(visit.language, desk.exchange).shown
    return Page(
        "engineer/new.html",
        {
            "tried": tried,
            "wish": keep(desk, visit, "wish", {"wish": wish_to_json(chosen)}),
            "map": chosen.map,
            "code": chosen.code,
            "folder": chosen.folder,
            "issues": table("issues", _SAMPLE_ISSUES, rows, visit.form, shown=shown),
            "kept": keep(desk, visit, "sample", kept),
            "sample": sample.name,
        },
    )


def _wished(desk: Desk, visit: Visit) -> Wish:
    """What was recognised, as it was told; of the form only the map may be edited."""
    found = brought(desk, visit, "wish", field="wish") or {}
    return wish_from_json(found.get("wish", ""), visit.form.get("map", ""))


def _sample_of_before(desk: Desk, visit: Visit) -> Upload:
    """The sample that was tried and came back with the form, so that nobody chooses it twice."""
    found = brought(desk, visit, "sample")
    if found is None:
        raise Unusable(_("Choose a file as a sample."), "sample")
    return Upload(found["name"], b64decode(found["content"]))


def _partner(desk: Desk, visit: Visit) -> str:
    found = visit.path["partner"]
    if found not in desk.exchange.partners or not desk.exchange.partners[found].feeds:
        raise NotFound
    return found


PLACES = (
    Place("/partners/new", wish, _ROLES),
    Place("/partners/new", try_out, _ROLES, "POST", form=wish),
    Place("/partners/{partner}/loss", loss, _ROLES),
    Place("/partners/{partner}/loss", count_loss, _ROLES, "POST"),
    Place("/partners/{partner}/difference", changes, _ROLES, form=comparison),
    Place("/codes", codes, _ROLES),
    Place("/codes/{partner}/{number}", code, _ROLES),
    Place("/codes/{partner}/{number}", map_code, _ROLES, "POST", form=code),
)
