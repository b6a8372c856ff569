"""What happened to people is plausible in time and age, and some of it is what a second run is about."""

from datetime import timedelta

import pytest

from exchange.synthetic import generate
from exchange.synthetic.facts import History
from exchange.synthetic.keys import PARTNERS


@pytest.fixture(scope="module")
def histories() -> tuple[History, ...]:
    return tuple(generate(600, seed=5).histories())


def test_everybody_is_met_and_most_by_more_than_one_partner(histories: tuple[History, ...]) -> None:
    met = [len({contact.partner for contact in history.contacts}) for history in histories]

    assert min(met) >= 1
    assert 1.5 <= sum(met) / len(met) <= 2.2


def test_every_partner_meets_somebody_even_in_a_small_coalition(histories: tuple[History, ...]) -> None:
    small = [history for history in histories if history.person.number < 150]

    assert {contact.partner for history in small for contact in history.contacts} == set(PARTNERS)


def test_nothing_happens_before_birth_or_after_death(histories: tuple[History, ...]) -> None:
    for history in histories:
        days = [contact.since for contact in history.contacts]
        days += [visit.start.date() for visit in history.care.visits]
        days += [dose.when for dose in history.care.doses]
        days += [problem.onset for problem in history.care.problems]
        assert min(days) >= history.person.birth
        assert max(days) <= (history.person.died or history.today + timedelta(days=10))


def test_disorders_fit_age_and_sex(histories: tuple[History, ...]) -> None:
    for history in histories:
        age = history.person.age(history.today)
        for problem in history.care.problems:
            disorder = problem.disorder
            assert disorder.from_age <= age <= disorder.to_age
            assert disorder.sex in {"", history.person.sex}


def test_only_adults_are_clients_of_the_recovery_program(histories: tuple[History, ...]) -> None:
    clients = [history for history in histories if history.met("harbor_recovery")]

    assert clients
    assert all(history.person.age(history.today) >= 18 for history in clients)


def test_a_fact_is_recorded_only_by_partners_that_know_the_person(histories: tuple[History, ...]) -> None:
    for history in histories:
        care = history.care
        holders = [item.by for item in (*care.problems, *care.doses, *care.results, *care.allergies)]
        assert all(history.met(partner) for by in holders for partner in by)


def test_a_corrected_result_said_something_else_before(histories: tuple[History, ...]) -> None:
    corrected = [r for history in histories for r in history.care.results if r.corrected]

    changed = [r for r in corrected if r.at(r.corrected - timedelta(seconds=1)) != r.at(r.corrected)]

    assert len(changed) > 0.8 * len(corrected) > 0
