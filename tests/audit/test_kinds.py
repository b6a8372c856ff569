"""Which kinds of records are disclosures is said once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from exchange.model.audit import ASKED, DISCLOSURES, GIVEN_AS, REFUSED, Kind

EXCHANGE = Path(__file__).parents[2] / "exchange"


def test_every_group_is_of_known_kinds_and_what_was_refused_was_not_given():
    assert {*ASKED, *REFUSED, *DISCLOSURES} <= set(get_args(Kind))
    assert not set(REFUSED) & {*ASKED, *DISCLOSURES}
    assert set(ASKED) < set(DISCLOSURES)
    assert {kind for kind, way in GIVEN_AS.items() if way == "disclose"} == {"export", "disclosure"}


def test_nobody_lists_kinds_of_disclosures_for_himself():
    lists = re.compile(r"kind\s+IN\s*\(\s*'(?:read|query|everything|export|disclosure|denied)'", re.I)
    found = [p.name for p in EXCHANGE.rglob("*.py") if lists.search(p.read_text("utf-8"))]
    assert found == []
