"""Documents that replace, complete and translate one another: across partners, in loops, half hidden."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson
import pytest
from repository_world import BASE, CLINIC, HOSPITAL, KEY, SHELTER

from exchange.model.ids import golden_id, resource_id
from exchange.model.records import Labels
from exchange.repository import everything, read, search

HIV = Labels("R", frozenset({"HIV"}))
CHAIN = "DocumentReference?relation=replaces&_include:iterate=DocumentReference:relatesto"
ASKED = (
    "DocumentReference?",
    "DocumentReference?relation=replaces",
    "DocumentReference?relation=appends,transforms",
    "DocumentReference?_revinclude:iterate=DocumentReference:relatesto&_sort=-date",
    CHAIN,
)


def document(partner, patient, key, *relations, at=1):
    """A document that relates to others, told as (code, partner, key)."""
    return {
        "resourceType": "DocumentReference",
        "id": document_id(partner, key),
        "status": "current",
        "date": f"2026-11-{at:02}T09:00:00Z",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "title": key}}],
        "relatesTo": [
            {"code": code, "target": {"reference": f"DocumentReference/{document_id(by, other)}"}}
            for code, by, other in relations
        ],
    }


def document_id(partner, key):
    return resource_id(f"https://{partner}.example/", "DocumentReference", key)


@pytest.fixture
def documents(world):
    """Of one person: a report, another partner's addendum, and two that replace each other."""
    ana, clinics = world.patient("hospital", "ana"), world.patient("clinic", "ana")
    world.link(ana, clinics)

    def send(partner, key, *relations, labels=None, at=1):
        about = {"hospital": ana, "clinic": clinics}[partner]
        body = document(partner, about, key, *relations, at=at)
        world.publish(world.item(partner, body, labels=labels or Labels()))

    send("hospital", "first")
    send("clinic", "addendum", ("appends", "hospital", "first"), at=2)
    send("hospital", "round", ("replaces", "clinic", "about"), ("appends", "hospital", "round"), at=6)
    send("clinic", "about", ("replaces", "hospital", "round"), at=7)
    world.person = golden_id(min(ana, clinics))
    return send


def answers(world, viewer):
    """Every search, every document read, and everything of the person, as one viewer gets them."""
    found = []
    with world.as_viewer(viewer) as view:
        for asked in ASKED:
            kind, _, query = asked.partition("?")
            page = search(view, kind, parse_qsl(query), BASE, KEY)
            found.append([(page.total, page.next), *((e.mode, e.body) for e in page.entries)])
        for partner, key in (("hospital", "first"), ("hospital", "second"), ("hospital", "third")):
            one = read(view, "DocumentReference", document_id(partner, key))
            found.append([one and (one.body, one.etag)])
        page = everything(view, world.person, [], BASE, KEY)
        found.append([e.body for e in page.entries] if page else [])
    return found


def titles(world, viewer, asked):
    kind, _, query = asked.partition("?")
    with world.as_viewer(viewer) as view:
        page = search(view, kind, parse_qsl(query), BASE, KEY)
    bodies = [orjson.loads(entry.body) for entry in page.entries]
    return [body["content"][0]["attachment"]["title"] for body in bodies if "content" in body]


LATER = {
    "second": ("hospital", "second", ("replaces", "hospital", "first")),
    "third": ("hospital", "third", ("replaces", "hospital", "second")),
    "translation": ("clinic", "translation", ("transforms", "hospital", "third")),
}


def test_a_chain_is_followed_across_partners_and_a_loop_ends(world, documents):
    for told in LATER.values():
        documents(*told, at=3)
    found = titles(world, HOSPITAL, CHAIN)
    assert sorted(found) == ["about", "first", "round", "second", "third"]
    assert sorted(titles(world, HOSPITAL, "DocumentReference?")) == sorted(
        [*found, "addendum", "translation"]
    )
    after = f"DocumentReference?relatesto={document_id('hospital', 'first')}"
    assert sorted(titles(world, HOSPITAL, after)) == ["addendum", "second"]


@pytest.mark.parametrize("order", [("second", "third", "translation"), ("translation", "third", "second")])
@pytest.mark.parametrize("viewer", [CLINIC, SHELTER], ids=["clinic", "shelter"])
def test_what_follows_a_hidden_version_is_hidden_with_it_and_nothing_else_changes(
    world, documents, viewer, order
):
    """A later version and its translation say what the hidden one said; they come in any order."""
    before = answers(world, viewer)
    for name in order:
        partner, *told = LATER[name]
        # What it sent itself a partner sees, whatever it follows from.
        sender = "hospital" if viewer == CLINIC else partner
        documents(sender, *told, labels=HIV if name == "second" else None, at=3)
    assert answers(world, viewer) == before
    assert {"second", "third"} < set(titles(world, HOSPITAL, CHAIN))
    documents("hospital", "second", ("replaces", "clinic", "about"), labels=HIV, at=3)
    assert answers(world, viewer) == before


def test_a_version_that_is_seen_does_change_the_answers(world, documents):
    before = answers(world, CLINIC)
    documents(*LATER["second"], at=3)
    assert answers(world, CLINIC) != before
