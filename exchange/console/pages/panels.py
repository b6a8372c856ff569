"""The panels of a partner: who is in its care, uploaded, replaced, fetched back and ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from exchange.console.accounts import Role
from exchange.console.desk import Desk, Panel
from exchange.console.given import own_of, uuid_of
from exchange.console.marking import _
from exchange.console.messages import Answer, Download, NotFound, Page, Redirect, Unusable, Visit
from exchange.console.places import Place
from exchange.console.speech import Speech
from exchange.console.tables import Column, Press, Row, table
from exchange.model.partner import Partner
from exchange.model.records import Viewer

_ROLES: tuple[Role, ...] = ("partner",)
_PANELS = (
    Column("name", _("Name")),
    Column("members", _("Members"), "number"),
    Column("updated", _("Uploaded"), "moment"),
    Column("until", _("Counts until"), "day"),
    Column("ids", _("Its ids"), "press"),
    Column("end", _("Change"), "press"),
)
_REFUSALS = (
    _("each member names a Patient of this server by reference, without period or inactive"),
    _("there is no such resource"),
    _("this is not a version you have, or you have too many panels"),
)
"""What the API says of a panel it does not keep, marked here to be told in every language."""


def panels(desk: Desk, visit: Visit) -> Answer:
    return _page(desk, visit, {"status": None})


def upload(desk: Desk, visit: Visit) -> Answer:
    """A list of Patients' ids through the API's own code, which checks, keeps and records it."""
    own, given = own_of(desk, visit), visit.files.get("members")
    text = (
        given.content.decode("utf-8-sig", "replace") if given and given.content else visit.form.get("ids", "")
    )
    ids = [word.removeprefix("Patient/") for word in text.replace(",", " ").split()]
    name, instead = visit.form.get("name", "").strip(), visit.form.get("instead", "")
    if not own.requests.purposes or not ids:
        raise Unusable(_("Give at least one Patient id; your agreement must name a purpose."), "ids")
    if not name.isprintable() or not 1 <= len(name) <= 200:
        raise Unusable(_("A panel has a name of 1 to 200 letters, none of them unseen."), "name")
    if not all(map(_is_id, ids)):
        raise Unusable(
            _("Each line is the id of a Patient as the exchange gave it: five groups of digits and letters."),
            "ids",
        )
    if instead:
        _one(desk.panels(own.code), instead)
    group = {
        "resourceType": "Group", "type": "person", "actual": True, "name": name,
        "member": [{"entity": {"reference": f"Patient/{one}"}} for one in ids],
    }  # fmt: skip
    if instead:
        group["id"] = instead
    status, body = desk.upload(_viewer(own), visit.person.login, json.dumps(group).encode(), instead)
    found = json.loads(body) if body else {}
    told: dict[str, Any] = next(iter(found.get("issue", ())), {})
    words = told.get("diagnostics") or told.get("details", {}).get("text", "")
    kept = status in (200, 201)
    values = {"status": status, "members": found.get("quantity") if kept else None, "words": words}
    return _page(desk, visit, values, 200 if kept else 422)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def ids(desk: Desk, visit: Visit) -> Answer:
    """As it was uploaded, one a line, to be mended and uploaded again; recorded as a read of the Group."""
    own = own_of(desk, visit)
    panel = _one(desk.panels(own.code), visit.form.get("panel", ""))
    status, body = desk.ask(_viewer(own), visit.person.login, f"Group/{panel.panel}")
    if status != 200:
        raise NotFound
    named = [one["entity"]["reference"].removeprefix("Patient/") for one in json.loads(body)["member"]]
    text = "".join(f"{one}\n" for one in named)
    return Download(f"panel-{panel.panel}.txt", "text/plain; charset=utf-8", text.encode())


def end(desk: Desk, visit: Visit) -> Answer:
    own = own_of(desk, visit)
    panel = _one(desk.panels(own.code), visit.form.get("panel", ""))
    if desk.end_panel(_viewer(own), visit.person.login, panel.panel) != 204:
        raise NotFound
    return Redirect(
        "/own/panels", told=_("The panel is ended: it says of nobody any more that they are in your care.")
    )


def _page(desk: Desk, visit: Visit, values: dict[str, Any], status: int = 200) -> Page:
    own, said = own_of(desk, visit), Speech(visit.language, desk.exchange)
    found = desk.panels(own.code)
    shown = table("panels", _PANELS, [_row(said, one) for one in found], visit.query, shown=said.shown)
    return Page("own/panels.html", {"own": own, "panels": shown, "kept": found, **values}, status)


def _row(said: Speech, panel: Panel) -> Row:
    fetch, ending = said.say(_("Fetch")), said.say(_("End it"))
    carried = {"panel": panel.panel}
    return {
        "name": panel.name, "members": panel.members, "updated": panel.updated, "until": panel.until,
        "ids": Press("/own/panels/ids", fetch, f"{fetch}: {panel.name}", carried, file=True),
        "end": Press("/own/panels/ended", ending, f"{ending}: {panel.name}", carried),
    }  # fmt: skip


def _viewer(own: Partner) -> Viewer:
    purpose = next(iter(own.requests.purposes), "")
    return Viewer(own.code, next(iter(own.requests.roles), "organization"), purpose)


def _one(found: Sequence[Panel], panel: str) -> Panel:
    wanted = uuid_of(panel)
    one = next((one for one in found if one.panel == wanted), None)
    if one is None:
        raise NotFound
    return one


PLACES = (
    Place("/own/panels", panels, _ROLES),
    Place("/own/panels", upload, _ROLES, "POST", form=panels),
    Place("/own/panels/ids", ids, _ROLES, "POST"),
    Place("/own/panels/ended", end, _ROLES, "POST"),
)
