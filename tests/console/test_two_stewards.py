"""Two match stewards at the same pair at once: neither word replaces the other unseen."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests


def test_of_two_stewards_who_decide_at_once_the_second_is_told_and_decides_again(served, opened):
    with psycopg.connect(opened.database_url) as connection:
        ((a, b),) = connection.execute("SELECT a, b FROM match_review ORDER BY a, b LIMIT 1").fetchall()
    address, steward = f"/matching/{a}-{b}", served.visitor("match-steward")
    (seen,) = re.findall(r'name="seen" value="(\d+)"', steward.get(address).text)
    proof = served.proof("match-steward", steward)

    def decide(decision: str) -> requests.Response:
        form = {"decision": decision, "reason": f"says {decision}", "seen": seen, "csrf": proof}
        return steward.session.post(served.url + address, data=form, timeout=60)

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(decide, ("link", "keep-apart")))
    assert sorted(one.status_code for one in answers) == [200, 400]
    (late,) = (one for one in answers if one.status_code == 400)
    (other,) = (one for one in ("link", "keep-apart") if f">says {one}</textarea>" not in late.text)
    assert "decided about these two meanwhile" in late.text
    assert f"says {other}" in late.text, "what the other said stands on the page"
    (seen,) = re.findall(r'name="seen" value="(\d+)"', late.text)
    assert decide("keep-apart").status_code == 200
    with psycopg.connect(opened.database_url) as connection:
        assert len(connection.execute("SELECT DISTINCT person FROM patient").fetchall()) == 2
