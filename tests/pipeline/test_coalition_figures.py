"""Of what is counted of everybody no small number is told, nor one from which a small one follows."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from exchange.app.partners.coalition import figures
from tests.pipeline.pantry import make_pantry, open_pantry


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ((120, 60), (120, 60)),
        ((120, 4), (120, None)),
        ((120, 113), (120, None)),
        ((9, 3), (None, None)),
        ((0, 0), (0, 0)),
    ],
)
def test_people_and_those_of_several_members_are_told_together_or_not(tmp_path, database, counted, told):
    make_pantry(tmp_path)
    exchange = open_pantry(tmp_path, database)
    persons, shared = counted
    with exchange.work.connect() as connection:
        stored = {"people": {}, "records": {}, "answers": {}, "persons": persons, "shared": shared}
        connection.execute(
            "INSERT INTO coalition_figures VALUES (%s, %s)", [exchange.work.now().date(), Jsonb(stored)]
        )
    found = figures(exchange)
    assert (found.people, found.shared) == told
