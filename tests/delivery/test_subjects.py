"""Whose name stands on paper."""

from __future__ import annotations

from exchange.app.privacy.subjects import Subject, subject_of
from tests.delivery.world import PART2


def test_paper_has_the_name_of_an_open_record_and_none_that_a_protected_one_has_alone(world):
    hospital, _ = world.person(
        name=[{"text": "Nia"}, {"use": "official", "given": ["Ana"], "family": "Rivera"}]
    )
    shelter = world.patient("harbor", "1", labels=PART2, name=[{"use": "official", "text": "Hidden Name"}])
    world.link(hospital, shelter)
    speaks = [{"language": {"coding": [{"code": "uk-UA"}]}, "preferred": True}]
    world.later(minutes=1)
    world.patient("harbor", "1", labels=PART2, name=[{"text": "Hidden Name"}], communication=speaks)
    assert subject_of(world.conn, hospital) == Subject("Ana Rivera", "1980-02-03", "uk")
    alone = world.patient("harbor", "2", labels=PART2, name=[{"text": "Hidden Name"}])
    assert subject_of(world.conn, alone) == Subject("", "", "en")
