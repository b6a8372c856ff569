"""publish() stores what may be stored, once, with its history."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import orjson
import pytest
from repository_world import AT, HOSPITAL, observation

from exchange.model.records import Labels
from exchange.repository.reading.read import read
from exchange.repository.storage.moments import stored_name, version_id

NOTES = Labels("V", frozenset({"PSYTHPN"}))


def _kinds(result):
    return [outcome.kind for outcome in result.outcomes]


def _versions(world, fhir_id):
    return world.conn.execute(
        "SELECT version, deleted FROM resource_history WHERE fhir_id = %s ORDER BY version", (fhir_id,)
    ).fetchall()


def test_what_is_published_can_be_read(world):
    patient = world.patient("hospital", "1", gender="female")
    item = world.item("hospital", observation("hospital", patient, "a"))
    assert _kinds(world.publish(item)) == ["published"]
    with world.as_viewer(HOSPITAL) as view:
        found = read(view, "Observation", item.resource["id"])
    assert stored_name(found.etag) == f'W/"{version_id(AT)}'
    assert orjson.loads(found.body)["valueQuantity"]["value"] == 98


def test_the_same_content_again_is_unchanged(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    again = item._replace(resource=dict(reversed(item.resource.items())), record=item.record + 1)
    assert _kinds(world.publish(again)) == ["unchanged"]
    assert world.conn.execute("SELECT max(version) FROM resource").fetchone() == (1,)


def test_new_content_is_a_new_version_and_the_old_one_is_kept(world):
    patient = world.patient("hospital", "1")
    first = world.item("hospital", observation("hospital", patient, "a"))
    second = first._replace(resource=observation("hospital", patient, "a", status="amended"))
    world.publish(first)
    assert _kinds(world.publish(second)) == ["published"]
    assert _versions(world, first.resource["id"]) == [(1, False)]
    assert world.conn.execute("SELECT version FROM resource WHERE type = 'Observation'").fetchone() == (2,)


def test_content_older_than_what_is_stored_goes_to_the_history(world):
    patient = world.patient("hospital", "1")
    newer = world.item("hospital", observation("hospital", patient, "a"))
    older = newer._replace(
        resource=observation("hospital", patient, "a", status="preliminary"),
        event_time=AT - timedelta(days=9),
    )
    world.publish(newer)
    assert _kinds(world.publish(older)) == ["published"]
    assert _kinds(world.publish(older)) == ["unchanged"]
    with world.as_viewer(HOSPITAL) as view:
        assert orjson.loads(read(view, "Observation", newer.resource["id"]).body)["status"] == "final"
    assert _versions(world, newer.resource["id"]) == [(2, False)]


def test_what_repeats_the_state_before_it_in_one_batch_is_unchanged_and_keeps_older_news_out(world):
    patient = world.patient("hospital", "1")
    first = world.item("hospital", observation("hospital", patient, "a"))
    again = first._replace(record=first.record + 1, event_time=AT)
    between = first._replace(
        resource=observation("hospital", patient, "a", status="preliminary"),
        event_time=AT - timedelta(minutes=1),
    )
    first = first._replace(event_time=AT - timedelta(minutes=2))
    assert _kinds(world.publish(first, again, between)) == ["published", "unchanged", "published"]
    with world.as_viewer(HOSPITAL) as view:
        assert orjson.loads(read(view, "Observation", first.resource["id"]).body)["status"] == "final"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_state_said_last_stays_in_whatever_order_they_arrive(world, order):
    """The first was said once more after the second: each in a batch of its own, with a redacted form too."""
    patient = world.patient("hospital", "1")
    said = [("final", 3), ("preliminary", 2), ("final", 1)]
    for place in order:
        status, hours = said[place]
        plain = observation("hospital", patient, "a", status=status)
        whole = {**plain, "note": [{"text": "session"}]}
        labels, time = Labels("R", frozenset({"HIV"})), AT - timedelta(hours=hours)
        world.publish(
            world.item("hospital", whole, labels=labels, redacted=(plain, Labels()), event_time=time)
        )
    rows = world.conn.execute(
        "SELECT convert_from(body, 'UTF8')::json ->> 'status', event_time FROM resource"
        " WHERE type = 'Observation'"
    ).fetchall()
    assert rows == [("final", AT - timedelta(hours=1))] * 2


def test_a_state_that_comes_back_after_another_is_no_repeat(world):
    patient = world.patient("hospital", "1")
    final = world.item("hospital", observation("hospital", patient, "a"))
    amended = final._replace(resource=observation("hospital", patient, "a", status="amended"))
    assert _kinds(world.publish(final, amended, final)) == ["published"] * 3
    with world.as_viewer(HOSPITAL) as view:
        assert orjson.loads(read(view, "Observation", final.resource["id"]).body)["status"] == "final"


def test_repeats_of_what_may_not_be_held_are_withheld_too(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"), labels=NOTES)
    assert _kinds(world.publish(item, item._replace(record=item.record + 1))) == ["withheld", "withheld"]


def test_two_states_of_one_resource_in_one_batch_are_applied_in_order(world):
    patient = world.patient("hospital", "1")
    first = world.item("hospital", observation("hospital", patient, "a", status="preliminary"))
    second = first._replace(resource=observation("hospital", patient, "a"))
    assert _kinds(world.publish(first, second)) == ["published", "published"]
    with world.as_viewer(HOSPITAL) as view:
        assert orjson.loads(read(view, "Observation", first.resource["id"]).body)["status"] == "final"


def test_a_deleted_resource_is_gone_with_its_index_rows_and_noted_in_the_history(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    result = world.publish(deleted=(f"Observation/{item.resource['id']}",))
    assert result.deleted == 1
    assert _versions(world, item.resource["id"]) == [(1, False), (2, True)]
    assert world.conn.execute("SELECT count(*) FROM index_quantity").fetchone() == (0,)
    assert _kinds(world.publish(item)) == ["published"]
    assert world.conn.execute("SELECT version FROM resource WHERE type = 'Observation'").fetchone() == (3,)


def test_what_the_rules_keep_out_is_noted_and_not_stored(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"), labels=NOTES)
    outcome = world.publish(item).outcomes[0]
    assert (outcome.kind, outcome.because) == ("withheld", ("notes-stay-outside",))
    assert world.conn.execute("SELECT count(*) FROM resource WHERE type = 'Observation'").fetchone() == (0,)
    assert world.conn.execute("SELECT because FROM withheld").fetchone() == (["notes-stay-outside"],)


def test_a_record_whose_labels_become_forbidden_leaves_with_its_history(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a", status="preliminary"))
    world.publish(item)
    world.publish(item._replace(resource=observation("hospital", patient, "a")))
    assert _kinds(world.publish(item._replace(labels=NOTES))) == ["withheld"]
    left = (
        "SELECT (SELECT count(*) FROM resource WHERE type = 'Observation'),"
        " (SELECT count(*) FROM resource_history)"
    )
    assert world.conn.execute(left).fetchone() == (0, 0)
    assert _kinds(world.publish(item)) == ["published"]
    assert world.conn.execute("SELECT count(*) FROM withheld").fetchone() == (0,)


def test_a_redacted_rendition_is_stored_where_the_whole_may_not_be(world):
    patient = world.patient("hospital", "1")
    whole = observation("hospital", patient, "a", note=[{"text": "session"}])
    item = world.item(
        "hospital", whole, labels=NOTES, redacted=(observation("hospital", patient, "a"), Labels())
    )
    assert _kinds(world.publish(item)) == ["published"]
    with world.as_viewer(HOSPITAL) as view:
        assert b"session" not in read(view, "Observation", whole["id"]).body


def test_a_patient_nobody_sent_puts_the_resource_in_quarantine(world):
    unknown = "00000000-0000-5000-8000-000000000000"
    outcome = world.publish(world.item("hospital", observation("hospital", unknown, "a"))).outcomes[0]
    assert (outcome.kind, outcome.issue.code) == ("quarantined", "not-found")


def test_an_older_state_sent_again_says_nothing_about_the_newer_one(world):
    """It is open; what came after it is not, and stays in its class."""
    patient = world.patient("hospital", "1")
    body = observation("hospital", patient, "a")
    labels = Labels("R", frozenset({"HIV"}))
    old = world.item("hospital", body, event_time=AT - timedelta(days=2))
    world.publish(old)
    world.publish(world.item("hospital", {**body, "note": [{"text": "secret"}]}, labels=labels))
    assert _kinds(world.publish(old)) == ["unchanged"]
    rows = world.conn.execute(
        "SELECT c.labels FROM resource r JOIN disclosure_class c USING (class) WHERE r.type = 'Observation'"
    ).fetchall()
    assert rows == [(["HIV"],)]


def test_other_labels_with_the_same_content_change_the_class_and_no_version(world):
    patient = world.patient("hospital", "1")
    item = world.item("hospital", observation("hospital", patient, "a"))
    world.publish(item)
    assert _kinds(world.publish(item._replace(labels=Labels("R", frozenset({"HIV"}))))) == ["unchanged"]
    rows = world.conn.execute(
        "SELECT r.version, c.labels,"
        " (SELECT array_agg(DISTINCT class) FROM index_token t WHERE t.rid = r.rid) = ARRAY[r.class]"
        " FROM resource r JOIN disclosure_class c USING (class) WHERE r.type = 'Observation'"
    ).fetchall()
    assert rows == [(1, ["HIV"], True)]
