"""What HL7 v2 messages leave empty, delete and replace, in any order of arrival and however often."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from exchange.app import Exchange, find_partner
from exchange.pipeline.replay import open_replay, pulled_between
from exchange.pipeline.steps import finish_run
from tests.pipeline.pantry import make_pantry, open_pantry, run, write
from tests.pipeline.test_message_runs import MESSAGES

HEAD = "MSH|^~\\&|ADT|PANTRY|||202603{day:02}1200-0600||ADT^{event}|{control}|P|2.5.1\r"
PERSON = "PID|1||7^^^PANTRY&1.2.3.4&ISO^MR||Sample^Robin||19800102|F|||{address}||{phone}\r"
VISIT = "PV1|1|I|W^1^1|||||||||||||{vip}|||V1^^^PANTRY" + "|" * 25 + "202603010800-0600{end}\r"
ADDRESS = "1 Elm^^Springfield^IL^62701"
PHONE = "^PRN^PH^^^217^5550100"


def message(
    day: int,
    *,
    phone: str = "",
    address: str = "",
    more: str = "",
    event: str = "A08",
    end: str = "",
    vip: str = "",
) -> str:
    person = PERSON.format(phone=phone, address=address)
    return HEAD.format(day=day, event=event, control=day) + person + VISIT.format(end=end, vip=vip) + more


def state(exchange: Exchange) -> dict[str, list[dict[str, Any]]]:
    """What is current, by type, without what the repository adds."""
    with exchange.work.connect() as connection:
        rows = connection.execute(
            "SELECT type, convert_from(body, 'UTF8') FROM resource WHERE rendition = 0 ORDER BY type, fhir_id"
        ).fetchall()
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, text in rows:
        body = orjson.loads(text)
        body["meta"] = {k: v for k, v in body["meta"].items() if k not in ("versionId", "lastUpdated")}
        found.setdefault(kind, []).append(body)
    return found


def codes(found: dict[str, list[dict[str, Any]]], kind: str) -> set[str]:
    return {resource["code"]["coding"][0]["code"] for resource in found.get(kind, [])}


# One message a day: penicillin and latex, then latex is no longer sent, then nothing is said of allergies.
STORY = [
    message(1, phone=PHONE, address=ADDRESS, event="A01",
            more="NK1|1|Sample^Alex|SPO\rAL1|1|DA|PCN^Penicillin\rAL1|2|DA|LTX^Latex\rDG1|1||A1^One\r"),
    message(2, more="AL1|1|DA|PCN^Penicillin\rDG1|1||A1^One\rDG1|2||B2^Two\r"),
    message(3, address='""', more="DG1|1||B2^Two\r"),
    message(4, event="A03", end="|202603040900-0600"),
    message(5),
]  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return make_pantry(tmp_path)


def told(files: Path, exchange: Exchange, runs: list[list[int]]) -> dict[str, list[dict[str, Any]]]:
    """The end of the story when its messages arrive in these runs."""
    for number, group in enumerate(runs):
        for place, day in enumerate(group):
            write(files, f"{number}_{place}.hl7", STORY[day])
        assert run(exchange).balanced
    return state(exchange)


def test_what_a_message_leaves_empty_holds_and_what_it_deletes_is_gone(
    files: Path, tmp_path: Path, database: str
) -> None:
    end = told(files, open_pantry(tmp_path, database, MESSAGES), [[0], [1], [2], [3], [4]])
    (person,), (visit,) = end["Patient"], end["Encounter"]
    assert person["telecom"][0]["value"].endswith("2175550100")
    assert "address" not in person
    assert [each["name"]["family"] for each in person["contact"]] == ["Sample"]
    assert (visit["status"], visit["period"]["end"][:10]) == ("finished", "2026-03-04")
    assert codes(end, "AllergyIntolerance") == {"PCN"}
    assert codes(end, "Condition") == {"B2"}


def test_two_quotes_delete_the_phone(files: Path, tmp_path: Path, database: str) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, phone=PHONE))
    run(exchange)
    write(files, "2.hl7", message(2, phone='""'))
    run(exchange)
    write(files, "3.hl7", message(3))
    run(exchange)
    assert "telecom" not in state(exchange)["Patient"][0]


@pytest.fixture(scope="module")
def orders() -> list[list[list[int]]]:
    """Orders of arrival, each cut into runs in some way."""
    draw = random.Random(48)
    found = []
    for order in draw.sample(list(itertools.permutations(range(5))), 4):
        cut = sorted(draw.sample(range(1, 5), draw.randrange(4)))
        found.append([list(order[a:b]) for a, b in itertools.pairwise([0, *cut, 5])])
    return found


@pytest.mark.parametrize("number", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_any_order_of_arrival_has_the_same_end(
    number: int, orders: list[list[list[int]]], files: Path, tmp_path: Path, database: str
) -> None:
    end = told(files, open_pantry(tmp_path, database, MESSAGES), orders[number])
    (person,), (visit,) = end["Patient"], end["Encounter"]
    assert person["telecom"][0]["value"].endswith("2175550100")
    assert "address" not in person
    assert len(person["contact"]) == 1
    assert visit["status"] == "finished"
    assert (codes(end, "AllergyIntolerance"), codes(end, "Condition")) == ({"PCN"}, {"B2"})


def test_a_replay_changes_nothing(files: Path, tmp_path: Path, database: str) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    end = told(files, exchange, [[0, 1], [2, 3, 4]])
    partner = find_partner(exchange.partners, "pantry")
    with exchange.work.connect() as connection:
        runs = [row[0] for row in connection.execute("SELECT started FROM run ORDER BY run").fetchall()]
        again = pulled_between(connection, "pantry", runs[0], runs[1])
    finish_run(exchange.work, partner, open_replay(exchange.work, partner, again))
    assert state(exchange) == end


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", ["write_snapshots"])
def test_a_killed_run_has_the_same_end(
    at: str, files: Path, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.pipeline import publish

    exchange = open_pantry(tmp_path, database, MESSAGES)
    for number, text in enumerate([*STORY[3:], *STORY[:3]]):
        write(files, f"{number}.hl7", text)
    whole = getattr(publish, at)

    def killed(*given: Any) -> Any:
        monkeypatch.setattr(publish, at, whole)
        whole(*given)
        raise Killed

    monkeypatch.setattr(publish, at, killed)
    with pytest.raises(Killed):
        run(exchange)
    assert run(exchange).balanced
    end = state(exchange)
    assert (codes(end, "AllergyIntolerance"), codes(end, "Condition")) == ({"PCN"}, {"B2"})


def test_an_action_code_changes_only_what_it_names(files: Path, tmp_path: Path, database: str) -> None:
    def diagnosis(code: str, action: str) -> str:
        return f"DG1|1||{code}^{code}|||||||||||||||||X{code}|{action}\r"

    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, more=diagnosis("A1", "A") + diagnosis("B2", "A")))
    run(exchange)
    write(files, "2.hl7", message(2, more=diagnosis("C3", "A") + diagnosis("A1", "D")))
    run(exchange)
    found = {
        each["code"]["coding"][0]["code"]: each["verificationStatus"]["coding"][0]["code"]
        for each in state(exchange)["Condition"]
    }
    assert found == {"A1": "entered-in-error", "B2": "confirmed", "C3": "confirmed"}


def test_two_quotes_for_a_whole_list_delete_it_and_none_says_nothing(
    files: Path, tmp_path: Path, database: str
) -> None:
    exchange = open_pantry(tmp_path, database, MESSAGES)
    write(files, "1.hl7", message(1, more="AL1|1|DA|PCN^Penicillin\r"))
    run(exchange)
    write(files, "2.hl7", message(2))
    run(exchange)
    assert codes(state(exchange), "AllergyIntolerance") == {"PCN"}
    write(files, "3.hl7", message(3, more='AL1|""|""|""\r'))
    run(exchange)
    assert "AllergyIntolerance" not in state(exchange)


def test_a_message_that_is_refused_says_nothing(files: Path, tmp_path: Path, database: str) -> None:
    write(tmp_path, "home/mappings/pantry/own.map.yaml", (
        "format: hl7v2\nuse: [_shared/maps/hl7v2.map.yaml]\n"
        'refuse:\n  locked:\n    when: PV1-16.1 = "LOCKED"\n    because: not this one\n'
    ))  # fmt: skip
    exchange = open_pantry(
        tmp_path, database, MESSAGES.replace("_shared/maps/hl7v2.map.yaml", "own.map.yaml")
    )
    write(files, "1.hl7", message(1, phone=PHONE, vip="LOCKED"))
    write(files, "2.hl7", message(2))
    assert run(exchange).records["quarantined"] == 1
    assert "telecom" not in state(exchange)["Patient"][0]
