"""vread and history: versions as the requester sees them, and the record of it."""

from __future__ import annotations

from exchange.api import access
from exchange.api.answering import (
    Asked,
    Shown,
    applied,
    bundle,
    disclosed,
    gone,
    not_found,
    opened,
    refuse_unknown,
    resource,
)
from exchange.api.bundles import historyset
from exchange.api.messages import Answer
from exchange.api.routing import Interaction
from exchange.api.scopes import reach
from exchange.audit import append, query_entries
from exchange.repository import found_of, in_form, read_version
from exchange.repository import history as find_history
from exchange.repository.reading.query import parse_form


def vread(asked: Asked, wanted: Interaction) -> Answer:
    """One version of a resource; 410 for the one that says that it was deleted."""
    access.require(asked.held, wanted.type, "r")
    form, unknown = parse_form(asked.parameters)
    refuse_unknown(asked, unknown)
    with opened(asked, reach(asked.held.scopes)) as view:
        found = read_version(view, wanted.type, wanted.id, wanted.version)
        if found is None:
            return not_found(asked, view)
        if not found.body:
            return gone(asked, view)
        told = in_form(found_of(view, found), form)
        return resource(asked, view, f"{wanted.type}/{wanted.id}", told, "vread")


def history(asked: Asked, wanted: Interaction) -> Answer:
    """The versions of a resource or of a type, page by page, the newest first."""
    access.require(asked.held, wanted.type, "r" if wanted.id else "s")
    service, scope = asked.service, reach(asked.held.scopes, wanted.type, "r" if wanted.id else "s")
    with opened(asked, scope) as view:
        key = service.cursor_key
        page = find_history(view, wanted.type, wanted.id, asked.parameters, service.fhir_url, key)
        if page is None:
            return not_found(asked, view)
        refuse_unknown(asked, page.unknown)
        name = "history-instance" if wanted.id else "history-type"
        entries = query_entries(asked.who, asked.how, asked.call.text, disclosed(page), interaction=name)
        append(view.log, entries)
    path = "/".join(filter(None, (wanted.type, wanted.id, "_history")))
    return bundle(asked, Shown(page, path, applied(asked.parameters, page)), historyset)
