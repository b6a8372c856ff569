"""The identity index against a real PostgreSQL: twins, arrivals in any order, merges, stewards, speed."""

from datetime import UTC, datetime
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from random import Random
from time import perf_counter
from uuid import UUID, uuid5

import psycopg
import pytest

from exchange.linkage import features, parse_model
from exchange.model.records import Merge
from exchange.repository.identity.links import IncomingPatient, Word, decide_review, link_patients, relink
from exchange.repository.identity.reviews import ask_partners, doubts

LINK, APART = (Word(word, "R. Vega", "asked both") for word in ("link", "keep-apart"))
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2] / "mappings"
HOME = {"phone": "217-555-0147", "line": "12 Oak Street"}


@pytest.fixture(scope="module")
def model():
    paths = (ROOT / "_shared" / "identity").iterdir()
    return parse_model({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths})


@pytest.fixture(scope="module")
def incoming(model):
    """A Patient told in short; `key` makes its id."""

    def build(key, given, family, born="", *, links=(), **more):
        patient = {"name": [{"given": [given], "family": family}], "birthDate": born}
        patient["telecom"] = [{"system": "phone", "value": more.pop("phone", "")}]
        patient["address"] = [{"line": [more.pop("line", "")], "postalCode": "62701"}]
        patient["link"] = [{"other": {"reference": f"Patient/{fhir_id(link)}"}} for link in links]
        patient |= more
        read = features(patient, lambda text: sha256(text.encode()).hexdigest(), model.vocabulary)
        return IncomingPatient(fhir_id(key), "lakeside_hospital", read)

    return build


def fhir_id(key):
    return str(uuid5(UUID(int=0), key))


@pytest.fixture
def family(incoming):
    """Eight records of four people: Sam, his twin Olivia, their mother, a lodger."""
    return [
        incoming("sam-1", "Samuel", "Harding", "2015-04-01", gender="male", **HOME),
        incoming("sam-2", "Sam", "Harding", "2015-04-01", gender="male", **HOME),
        incoming("sam-3", "Samuel", "Hardingg", "2015-04-01", gender="male", **HOME),
        incoming("olivia-1", "Olivia", "Harding", "2015-04-01", gender="female", **HOME),
        incoming("olivia-2", "Olivia", "Harding", "2015-04-01", gender="female", phone="217-555-0147"),
        incoming("mother-1", "Ruth", "Harding", "1984-02-09", gender="female", **HOME),
        incoming("mother-2", "Ruth", "Harding", "1984-09-02", gender="female", **HOME),
        incoming("lodger-1", "Pavlo", "Bondar", "1990-12-30", gender="male", **HOME),
    ]


def persons(conn):
    """Groups of keys that are one person now."""
    keys = ("sam", "olivia", "mother", "lodger", "a", "b", "c")
    names = {fhir_id(f"{key}-{number}"): f"{key}-{number}" for key in keys for number in range(1, 4)}
    names |= {fhir_id(key): key for key in keys}
    rows = conn.execute("SELECT person, fhir_id::text FROM patient ORDER BY fhir_id").fetchall()
    groups = {}
    for person, patient in rows:
        groups.setdefault(person, set()).add(names.get(patient, patient))
    return {frozenset(group) for group in groups.values()}


def state(conn):
    """Everything that must not depend on the order of arrival."""
    queries = (
        "SELECT fhir_id, person FROM patient ORDER BY 1",
        "SELECT a.fhir_id, b.fhir_id, grade, basis FROM patient_edge e JOIN patient a ON a.patient = e.a"
        " JOIN patient b ON b.patient = e.b ORDER BY 1, 2",
        "SELECT least(a.fhir_id, b.fhir_id), greatest(a.fhir_id, b.fhir_id), decision FROM match_review e"
        " JOIN patient a ON a.patient = e.a JOIN patient b ON b.patient = e.b ORDER BY 1, 2",
        "SELECT least(a.fhir_id, b.fhir_id), greatest(a.fhir_id, b.fhir_id), authority FROM patient_apart e"
        " JOIN patient a ON a.patient = e.a JOIN patient b ON b.patient = e.b ORDER BY 1, 2",
    )
    return [conn.execute(query).fetchall() for query in queries]


def numbers(conn, *keys):
    known = dict(conn.execute("SELECT fhir_id::text, patient FROM patient").fetchall())
    return tuple(known[fhir_id(key)] for key in keys)


FOUR = {
    frozenset({"sam-1", "sam-2", "sam-3"}),
    frozenset({"olivia-1", "olivia-2"}),
    frozenset({"mother-1", "mother-2"}),
    frozenset({"lodger-1"}),
}


def test_a_household_with_twins_is_told_apart(connection, family, model):
    link_patients(connection, family, [], model, AT)

    assert persons(connection) == FOUR


def test_linking_again_changes_nothing(connection, family, model):
    first = link_patients(connection, family, [], model, AT)
    before = state(connection), connection.execute("SELECT count(*) FROM link_event").fetchone()
    again = link_patients(connection, family, [], model, AT)

    assert again.changed == frozenset()
    assert again.patients == first.patients
    assert (state(connection), connection.execute("SELECT count(*) FROM link_event").fetchone()) == before


@pytest.mark.parametrize("seed", range(4))
def test_the_order_and_the_batches_of_arrival_change_nothing(connection, family, model, seed):
    with connection.transaction(force_rollback=True):
        link_patients(connection, family, [], model, AT)
        together = state(connection)
    random = Random(seed)
    random.shuffle(family)
    while family:
        batch = [family.pop() for _ in range(min(len(family), random.randint(1, 3)))]
        link_patients(connection, batch, [], model, AT)

    assert state(connection) == together


def test_a_corrected_record_leaves_the_person_it_was_put_into(connection, incoming, model):
    right = incoming("a", "Ruth", "Harding", "1984-02-09", **HOME)
    link_patients(connection, [right, incoming("b", "Ruth", "Harding", "1984-02-09", **HOME)], [], model, AT)
    result = link_patients(connection, [incoming("b", "Walter", "Finch", "1944-10-01")], [], model, AT)

    assert persons(connection) == {frozenset({"a"}), frozenset({"b"})}
    assert result.changed == set(numbers(connection, "a", "b"))
    assert ("person.split",) in connection.execute("SELECT kind FROM link_event").fetchall()


def test_what_a_partner_merged_stays_whatever_the_records_say(connection, incoming, model):
    one, other = incoming("a", "Ana", "Ruiz", "1980-03-12"), incoming("b", "Walter", "Finch", "1944-10-01")
    merge = Merge(survivor=fhir_id("a"), loser=fhir_id("b"))
    link_patients(connection, [one, other], [merge], model, AT)
    link_patients(connection, [incoming("b", "Walt", "Finch", "1944-10-01")], [], model, AT)

    assert persons(connection) == {frozenset({"a", "b"})}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_record_that_names_another_is_linked_in_any_order(connection, incoming, model, order):
    both = {
        "a": incoming("a", "Ana", "Ruiz", "1980-03-12"),
        "b": incoming("b", "Walter", "Finch", "1944-10-01", links=["a"]),
    }
    for key in order:
        link_patients(connection, [both[key]], [], model, AT)
    assert persons(connection) == {frozenset({"a", "b"})}

    link_patients(connection, [incoming("b", "Walter", "Finch", "1944-10-01")], [], model, AT)
    assert persons(connection) == {frozenset({"a"}), frozenset({"b"})}


def test_a_steward_takes_apart_and_the_model_does_not_join_again(connection, incoming, model):
    records = [incoming(key, "Ruth", "Harding", "1984-02-09", **HOME) for key in "abc"]
    link_patients(connection, records, [], model, AT)
    a, b = numbers(connection, "a", "b")
    changed = decide_review(connection, (a, b), APART, model, AT)
    link_patients(
        connection, [incoming("b", "Ruth", "Harding", "1984-02-09", gender="female", **HOME)], [], model, AT
    )
    relink(connection, model, AT)

    groups = persons(connection)
    assert {a, b} <= changed
    assert not any({"a", "b"} <= group for group in groups)
    assert len(groups) == 2


def test_a_steward_may_change_his_mind(connection, incoming, model):
    records = [incoming(key, "Ruth", "Harding", "1984-02-09", **HOME) for key in "abc"]
    link_patients(connection, records, [], model, AT)
    pair = numbers(connection, "a", "b")
    decide_review(connection, pair, APART, model, AT)
    decide_review(connection, pair, LINK, model, AT)

    assert persons(connection) == {frozenset("abc")}
    assert connection.execute("SELECT count(*) FROM patient_apart").fetchone() == (0,)


def test_a_steward_links_what_the_model_would_not(connection, family, model):
    link_patients(connection, family, [], model, AT)
    pair = numbers(connection, "lodger-1", "mother-1")
    decide_review(connection, pair, LINK, model, AT)
    link_patients(connection, family, [], model, AT)

    assert frozenset({"lodger-1", "mother-1", "mother-2"}) in persons(connection)


def test_possible_matches_wait_with_evidence_that_holds_no_value(connection, incoming, model):
    one = incoming("a", "Xiomara", "Harding", "2015-04-01", multipleBirthBoolean=True, **HOME)
    other = incoming("b", "Xiomora", "Harding", "2015-04-01", multipleBirthBoolean=True, **HOME)
    link_patients(connection, [one, other], [], model, AT)
    evidence, decision = connection.execute("SELECT evidence, decision FROM match_review").fetchone()

    assert (evidence["rule"], decision) == ("twin", None)
    assert evidence["fields"]["birth_date"][0] == "exact"
    assert "harding" not in str(evidence)


def test_one_who_fits_two_people_joins_the_likelier_and_never_both(connection, incoming, model):
    twin = {"gender": "female", **HOME}
    first = incoming("a", "Marta", "Harding", "2015-04-01", multipleBirthInteger=1, **twin)
    second = incoming("b", "Marta", "Harding", "2015-04-01", multipleBirthInteger=2, phone="217-555-0147")
    unclear = incoming("c", "Marta", "Harding", "2015-04-01", **twin)
    link_patients(connection, [first, second, unclear], [], model, AT)

    assert persons(connection) == {frozenset({"a", "c"}), frozenset({"b"})}


def test_a_person_that_goes_over_into_another_is_told_as_an_event(connection, incoming, model):
    far = [incoming("a", "Ruth", "Harding", "1984-02-09", phone="217-555-0147")]
    link_patients(connection, [*far, incoming("b", "Ruth", "Miller", "1984-02-09")], [], model, AT)
    link_patients(connection, [], [Merge(fhir_id("a"), fhir_id("b"))], model, AT)
    told = connection.execute("SELECT evidence FROM link_event WHERE kind = 'person.merged'").fetchall()

    first, second = sorted((fhir_id("a"), fhir_id("b")))
    assert told == [({"from": second, "to": first},)]


def test_a_deleted_patient_no_longer_links(connection, incoming, family, model):
    link_patients(connection, family, [], model, AT)
    nothing = features({}, str, model.vocabulary)
    link_patients(connection, [IncomingPatient(fhir_id("sam-2"), "x", nothing, active=False)], [], model, AT)

    assert frozenset({"sam-2"}) in persons(connection)


def test_two_batches_at_once_do_not_miss_each_other(database, incoming, model):
    ruth = [incoming(key, "Ruth", "Harding", "1984-02-09", **HOME) for key in "ab"]
    with psycopg.connect(database) as first, psycopg.connect(database) as second:
        link_patients(first, ruth[:1], [], model, AT)
        assert not second.execute("SELECT pg_try_advisory_xact_lock(%s)", (0x6964656E74697479,)).fetchone()[0]
        first.commit()
        link_patients(second, ruth[1:], [], model, AT)

        assert persons(second) == {frozenset("ab")}


@pytest.mark.slow
def test_a_thousand_patients_meet_twenty_thousand_without_looking_at_each(connection, incoming, model):
    random = Random(5)
    syllables = ("ba", "den", "ko", "ri", "mal", "ton", "vel", "su", "lin", "gar", "po", "tes")

    def anybody(number):
        given, family = ("".join(random.choices(syllables, k=3)) for _ in range(2))
        born = f"{random.randint(1940, 2020)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
        return incoming(f"p{number}", given, family, born, phone=f"217555{random.randint(0, 9999):04}")

    crowd = [anybody(number) for number in range(21_000)]
    start = perf_counter()
    link_patients(connection, crowd[:20_000], [], model, AT)
    connection.execute("ANALYZE")
    middle = perf_counter()
    link_patients(connection, crowd[20_000:], [], model, AT)

    assert perf_counter() - middle < (middle - start) / 5


def test_a_record_that_fits_a_father_and_a_son_is_asked_about_and_joins_neither(connection, incoming, model):
    reached = [("phone", HOME["phone"]), ("email", "the.hardings@mail.example")]
    telecom = [{"system": system, "value": value} for system, value in reached]
    home = {"gender": "male", "line": HOME["line"], "telecom": telecom}
    father = incoming("a", "Walter", "Harding", "1961-05-30", **home)
    son = incoming("b", "Walter", "Harding", "1990-02-11", **home)
    unclear = incoming("c", "Walter", "Harding", **home)
    link_patients(connection, [father, son, unclear], [], model, AT)
    a, b, c = numbers(connection, "a", "b", "c")

    assert persons(connection) == {frozenset("a"), frozenset("b"), frozenset("c")}
    assert {(frozenset((d.a, d.b)), d.rule) for d in doubts(connection)} == {
        (frozenset(pair), "fits-two-people") for pair in ((a, c), (b, c))
    }
    assert ask_partners(connection, (a, c), AT)
    assert {d.asked for d in doubts(connection)} == {AT, None}
    decide_review(connection, (b, c), LINK, model, AT)
    assert persons(connection) == {frozenset("a"), frozenset("bc")}
    assert [{d.a, d.b} for d in doubts(connection)] == [{a, c}]


def test_who_could_be_the_son_joins_the_father_only_until_the_son_is_known(connection, incoming, model):
    home = {"gender": "male", **HOME}
    father = incoming("a", "Walter", "Harding", "1961-05-30", **home)
    unclear = incoming("c", "Walter", "Harding", **home)
    link_patients(connection, [father, unclear], [], model, AT)
    assert persons(connection) == {frozenset("ac")}
    assert doubts(connection) == []
    grades = connection.execute("SELECT DISTINCT grade FROM patient_edge").fetchall()
    assert grades == [("probable",)]

    link_patients(connection, [incoming("b", "Walter", "Harding", "1990-02-11", **home)], [], model, AT)
    assert persons(connection) == {frozenset("a"), frozenset("b"), frozenset("c")}
    assert {d.rule for d in doubts(connection)} == {"fits-two-people"}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_who_may_be_either_of_two_who_are_only_alike_joins_neither(connection, incoming, model, order):
    home = {"gender": "male", **HOME}
    family = [
        incoming("a", "Jayden", "Harding", "2015-04-01", **home),
        incoming("b", "Kayden", "Harding", "2015-04-01", **home),
        incoming("c", "", "Harding", "2015-04-01", **home),
    ]
    for place in order:
        link_patients(connection, [family[place]], [], model, AT)
    a, b, c = numbers(connection, "a", "b", "c")

    assert persons(connection) == {frozenset("a"), frozenset("b"), frozenset("c")}
    assert {(frozenset((d.a, d.b)), d.rule) for d in doubts(connection)} == {
        (frozenset((a, b)), "twin"),
        (frozenset((a, c)), "fits-two-people"),
        (frozenset((b, c)), "fits-two-people"),
    }
    decide_review(connection, tuple(sorted((b, c))), APART, model, AT)
    assert persons(connection) == {frozenset("ac"), frozenset("b")}


def test_a_doubt_between_two_who_are_one_person_by_other_links_asks_nothing(connection, incoming, model):
    told = [incoming(key, "Ruth", "Harding", "1984-02-09", gender="female", **HOME) for key in "ab"]
    vague = incoming("c", "R", "Harding", "1984-02-09", phone=HOME["phone"])
    link_patients(connection, [*told, vague], [], model, AT)
    assert len(doubts(connection)) == 1
    decide_review(connection, numbers(connection, "a", "c"), LINK, model, AT)
    assert doubts(connection) == []


def test_two_persons_are_one_question_whatever_number_of_records_they_have(connection, incoming, model):
    told = [incoming(key, "Ruth", "Harding", "1984-02-09", gender="female", **HOME) for key in "ab"]
    vague = [incoming(key, "R", "Harding", "1984-02-09", phone=HOME["phone"]) for key in "cd"]
    link_patients(connection, [*told, *vague], [], model, AT)
    waiting = connection.execute("SELECT a, b FROM match_review").fetchall()
    assert len(waiting) > 2

    persons_asked = {frozenset(map(_person_of(connection), (d.a, d.b))) for d in doubts(connection)}
    assert len(persons_asked) == len(doubts(connection)) < len(waiting)
    assert all(doubts(connection, pair) for pair in waiting), "each can be looked at"

    for doubt in doubts(connection):
        decide_review(connection, (doubt.a, doubt.b), APART, model, AT)
    assert doubts(connection) == [], (
        "a steward who said of one pair that they are two people answered for all"
    )


@pytest.mark.parametrize(
    ("held", "harm"),
    [
        ((), 0),
        ((("a", "Condition", "N"), ("b", "AllergyIntolerance", "N")), 0),
        ((("b", "Condition", "N"), ("c", "Condition", "N")), 1),
        ((("a", "Condition", "N"), ("c", "MedicationRequest", "N")), 1),
        ((("a", "Observation", "HIV"),), 2),
        ((("b", "Observation", "HIV"),), 2),
        ((("c", "Observation", "HIV"),), 2),
    ],
    ids=str,
)
def test_harm_is_that_of_the_persons_whichever_pair_of_theirs_is_asked_about(
    connection, incoming, model, held, harm
):
    told = [incoming(key, "Ruth", "Harding", "1984-02-09", gender="female", **HOME) for key in "ab"]
    vague = incoming("c", "R", "Harding", "1984-02-09", phone=HOME["phone"])
    link_patients(connection, [*told, vague], [], model, AT)
    for key, kind, label in held:
        _hold(connection, key, kind, label)
    (doubt,) = doubts(connection)
    assert doubt.harm == harm


def _hold(connection, key, kind, label):
    """A record about that patient, with that label if it is one."""
    (number,) = connection.execute(
        "INSERT INTO disclosure_class (digest, source, type, confidentiality, labels, matched)"
        " VALUES (%s, 'lakeside_hospital', %s, 'N', %s, '{}') RETURNING class",
        [f"{key} {kind}", kind, [] if label == "N" else [label]],
    ).fetchone()
    connection.execute(
        "INSERT INTO resource (type, fhir_id, partner, patient, class, rank, version, updated, record,"
        " content_hash, mapping_digest, rules_digest, body)"
        " VALUES (%s, %s, 'lakeside_hospital', %s, %s, 1, 1, %s, 1, '', '', '', '{}')",
        [kind, fhir_id(f"{key} {kind}"), *numbers(connection, key), number, AT],
    )


def _person_of(connection):
    return dict(connection.execute("SELECT patient, person FROM patient").fetchall()).__getitem__
