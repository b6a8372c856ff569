"""Every condition of a permit counts by itself, wherever rows are read: records, index, past, people."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import NamedTuple

import pytest
from repository_world import AT, CLINIC, HOSPITAL, SHELTER, observation

from exchange.model.records import Labels

HOUR = timedelta(hours=1)
NOW = AT + 2 * HOUR
SPANS = {"ended": (AT, NOW), "now": (NOW, NOW + HOUR), "to come": (NOW + HOUR, NOW + 2 * HOUR)}
ACTIONS = ("any", "access", "disclose")
CARE = {
    "nobody's": None,
    "of now": ("clinic", "encounter", NOW + HOUR),
    "ended": ("clinic", "encounter", NOW),
    "another's": ("shelter", "encounter", NOW + HOUR),
    "broken glass": ("clinic", "break-glass", NOW + HOUR),
}


class Permit(NamedTuple):
    """What stands in `disclosure` and in `relationship`, and who asks."""

    span: str
    action: str
    needs_relationship: bool
    care: str
    emergency: bool
    asked: str

    @property
    def whole(self) -> bool:
        """Not cut to the minimum necessary; asked only of what is shown."""
        return self.span == "now" and self.action in ("any", self.asked)

    @property
    def shows(self) -> bool:
        kind = "broken glass" if self.emergency else "of now"
        related = not self.needs_relationship or self.care == kind
        return self.whole and related


EVERY = [Permit(*one) for one in product(SPANS, ACTIONS, (False, True), CARE, (False, True), ACTIONS[1:])]


@pytest.fixture(scope="module")
def rows(shared_world):
    """A Patient and a record of his with a past; numbers of the clinic as viewer and of the Patient."""
    world = shared_world
    patient = world.patient("hospital", "1", name=[{"family": "Rivera"}], birthDate="1980")
    for status in ("preliminary", "final"):
        world.publish(world.item("hospital", observation("hospital", patient, "a", status=status)))
    (viewer,) = world.conn.execute("SELECT viewer FROM viewer WHERE participant = 'clinic'").fetchone()
    (number,) = world.conn.execute("SELECT patient FROM patient").fetchone()
    world.conn.commit()
    return viewer, number


def stand(world, rows, permit):
    viewer, patient = rows
    world.conn.execute("DELETE FROM disclosure")
    world.conn.execute("DELETE FROM relationship")
    world.conn.execute("UPDATE viewer SET emergency = %s WHERE viewer = %s", (permit.emergency, viewer))
    world.conn.execute(
        "INSERT INTO disclosure (viewer, class, valid_from, valid_until, needs_relationship, obligations,"
        " because, action) SELECT %s, class, %s, %s, %s, '{}', '{}', %s FROM disclosure_class",
        (viewer, *SPANS[permit.span], permit.needs_relationship, permit.action),
    )
    if CARE[permit.care]:
        world.conn.execute(
            "INSERT INTO relationship (participant, basis, until, patient) VALUES (%s, %s, %s, %s)",
            (*CARE[permit.care], patient),
        )
    world.conn.commit()


SEEN = """
SELECT EXISTS (SELECT FROM resource WHERE type = 'Observation'), EXISTS (SELECT FROM resource_history),
    EXISTS (SELECT FROM index_token), EXISTS (SELECT FROM index_date), EXISTS (SELECT FROM index_quantity),
    EXISTS (SELECT FROM index_string), EXISTS (SELECT FROM patient), sees_patient(%(patient)s),
    (SELECT bool_or(discloses(class, %(patient)s)) FROM generate_series(1, 99) AS class),
    (SELECT bool_or(shows_whole(class)) FROM generate_series(1, 99) AS class)
"""


def test_a_row_is_shown_under_every_condition_of_its_permit_and_under_no_other(shared_world, rows):
    shown = 0
    for permit in EVERY:
        stand(shared_world, rows, permit)
        with shared_world.as_viewer(CLINIC, NOW) as view:
            view.conn.execute("SELECT set_config('exchange.action', %s, true)", (permit.asked,))
            *found, whole = view.conn.execute(SEEN, {"patient": rows[1]}).fetchone()
        assert (set(found), whole) == ({permit.shows}, permit.whole), (permit, found)
        shown += permit.shows
    assert 0 < shown < len(EVERY)


def test_a_link_with_somebody_hidden_is_no_row_from_either_side(world):
    ids = [
        world.patient("hospital", "1"),
        world.patient("hospital", "2", labels=Labels("R", frozenset({"HIV"}))),
    ]
    world.link(*ids)
    for viewer, links in ((HOSPITAL, 2), (SHELTER, 0)):
        with world.as_viewer(viewer) as view:
            assert view.conn.execute("SELECT count(*) FROM patient_edge").fetchone() == (links,)
