"""The table of care that a minor may consent to, and consents that others gave for a person."""

from datetime import date, datetime

import pytest

from exchange.consent import directive, parse_rules, until_of_age, with_own_care
from exchange.consent.dates import EXCHANGE_ZONE, Span
from exchange.consent.proof.case_consents import resolve_case
from exchange.consent.rules.minors import birth_span, birthday
from exchange.model.errors import ContentError
from exchange.model.records import Labels
from tests.consent.builders import chosen, consent, provision

ROW = "IL,SUD,12,2020-01-01,,410 ILCS 210/4,V,"
MOTHER = [{"reference": "RelatedPerson/mother"}]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("IL,DRUGS,12,2020-01-01,,410 ILCS 210/4,V,", "service.DRUGS"),
        ("IL,SUD,twelve,2020-01-01,,410 ILCS 210/4,V,", "age_from, from, to"),
        ("IL,SUD,18,2020-01-01,,410 ILCS 210/4,V,", "state"),
        ("IL,SUD,12,2020-01-01,2019-01-01,410 ILCS 210/4,V,", "state"),
        ("IL,SUD,12,2020-01-01,,,V,", "citation"),
        ("IL,SUD,12,2020-01-01,,410 ILCS 210/4,R,", "reviewer"),
        ("IL,SUD,12,2020-01-01,,410 ILCS 210/4,X,", "mark.X"),
    ],
)
def test_a_line_that_says_nothing_is_refused_with_its_line(files, row, field):
    text = files["minors.csv"]
    assert ROW not in text
    with pytest.raises(ContentError) as error:
        parse_rules({**files, "minors.csv": f"{text}{row}\n"})
    assert (error.value.file, error.value.line, error.value.field) == (
        "minors.csv",
        len(text.splitlines()) + 1,
        field,
    )


def test_a_changed_table_asks_for_labels_to_be_given_again(files, rules):
    other = parse_rules({**files, "minors.csv": files["minors.csv"].replace("IL,SUD,12", "IL,SUD,14")})
    assert other.labelling != rules.labelling
    assert other.digest != rules.digest


def test_any_day_of_a_stay_that_reaches_into_the_years_of_minority_counts(rules):
    def own(*days, born="2012-01-15"):
        start, end = (datetime.fromisoformat(day).replace(tzinfo=EXCHANGE_ZONE) for day in days)
        return rules.minors.own_care({"SUD"}, [born], Span(start, end), "IL") is not None

    assert own("2030-01-01", "2031-01-01")
    assert own("2023-01-01", "2024-01-16")
    assert not own("2030-01-15", "2031-01-01")
    assert not own("2023-01-01", "2024-01-15")
    assert own("2030-06-01", "2030-06-02", born="2012")  # born on a day of that year nobody knows
    assert own("2024-01-01", "2024-01-02", born="2012")


@pytest.mark.parametrize(
    ("said", "written", "own"),
    [
        ({"onsetDateTime": "2023-05-01", "recordedDate": "2026-03-02"}, None, True),
        ({"onsetDateTime": "2023-05-01", "recordedDate": "2023-06-02"}, None, False),
        ({"onsetDateTime": "2023-05-01"}, "2026-03-02", True),
        ({"onsetDateTime": "2023-05-01"}, "2023-06-02", False),
        ({"onsetDateTime": "2023-05-01"}, None, True),
        ({"onsetPeriod": {"start": "2022", "end": "2023-05-01"}, "recordedDate": "2026-03-02"}, None, True),
        ({"onsetPeriod": {"start": "2022"}, "recordedDate": "2023-03-02"}, None, True),
        ({"onsetDateTime": "2031-05-01", "recordedDate": "2026-03-02"}, None, False),
        ({"recordedDate": "2023-03-02"}, "2026-03-02", False),
        ({"onsetString": "in spring", "recordedDate": "2031-03-02"}, None, True),
        ({"onsetAge": {"value": 13}, "recordedDate": "2031-03-02"}, None, True),
        ({"onsetString": "in spring", "recordedDate": "2023-03-02"}, None, False),
        ({"onsetString": "in spring"}, None, True),
    ],
)
def test_an_illness_that_began_in_childhood_is_the_care_of_whom_it_was_written_down_for(
    rules, said, written, own
):
    """Born in 2012: twelve in January 2024. What began before that may be what the youth came with."""
    at = datetime.fromisoformat(written).replace(tzinfo=EXCHANGE_ZONE) if written else None
    illness = {"resourceType": "Condition", "id": "c", **said}
    given = with_own_care(illness, Labels("R", frozenset(["MH"])), ["2012-01-15"], "IL", rules, at)
    assert ("ADOL" in given.codes) is own


def test_one_of_two_birth_dates_that_were_sent_is_enough(rules):
    when = Span(datetime(2026, 3, 2, tzinfo=EXCHANGE_ZONE), datetime(2026, 3, 3, tzinfo=EXCHANGE_ZONE))
    assert rules.minors.own_care({"STD"}, ["1980-01-15", "2012-01-15"], when, "IL")
    assert not rules.minors.own_care({"STD"}, ["1980-01-15"], when, "IL")
    assert rules.minors.own_care({"STD"}, ["not a date"], when, "IL")


def test_who_was_born_on_a_leap_day_comes_of_age_on_the_first_of_march():
    assert birthday(date(2008, 2, 29), 18) == date(2026, 3, 1)
    assert birth_span("2008-02") == (date(2008, 2, 1), date(2008, 2, 29))
    assert birth_span("2008-12") == (date(2008, 12, 1), date(2008, 12, 31))


@pytest.mark.parametrize(
    ("performer", "by"),
    [
        ([{"reference": "Patient/p1"}], "self"),
        ([{"reference": "RelatedPerson/mother"}, {"reference": "Patient/p1"}], "self"),
        ([{"reference": "RelatedPerson/mother"}], "other"),
        ([{"reference": "Patient/mother"}], "other"),
        ([{"reference": "#her"}], "other"),
        ([{"type": "RelatedPerson", "identifier": {"value": "7"}}], "other"),
        ([{"reference": "#him"}], ""),
        ([{"type": "Practitioner", "identifier": {"value": "7"}}], ""),
        ([{"reference": "Organization/prairie_clinic"}], ""),
        (None, ""),
    ],
)
def test_who_gave_a_consent_is_read_from_its_performer(performer, by):
    inner = [{"resourceType": "RelatedPerson", "id": "her"}, {"resourceType": "Practitioner", "id": "him"}]
    given = consent(performer=performer, contained=inner)
    assert directive(given, resolve=resolve_case).by == by
    nameless = directive(
        consent(patient={"identifier": {"value": "1"}}, performer=[{}]), resolve=resolve_case
    )
    assert nameless.by == ""


@pytest.mark.parametrize(
    ("born", "signed", "until"),
    [
        (["2012-01-15"], "2026-03-02", "2030-01-15T00:00:00-06:00"),
        (["2012-01-15", "2011-01-15"], "2026-03-02", "2029-01-15T00:00:00-06:00"),
        (["1950-01-15"], "2026-03-02", None),
        (["1950-01-15", "2012-01-15"], "2026-03-02", "1968-01-15T00:00:00-06:00"),
    ],
)
def test_a_consent_given_for_a_minor_ends_on_the_earliest_eighteenth_birthday(born, signed, until):
    given = directive(consent(performer=MOTHER, dateTime=signed), resolve=resolve_case)
    ended = until_of_age(given, born).opens_until
    assert ended == (datetime.fromisoformat(until) if until else None)


@pytest.mark.parametrize(("born", "by"), [(["1980-01-15"], "self"), (["2012-01-15"], ""), ([], "")])
def test_where_nobody_is_named_somebody_of_age_gave_it_himself(born, by):
    assert until_of_age(directive(consent(), resolve=resolve_case), born).by == by


def test_what_may_have_been_given_for_a_minor_ends_like_what_was():
    unsaid, mothers = (
        until_of_age(directive(consent(performer=giver), resolve=resolve_case), ["2012-01-15"])
        for giver in (None, MOTHER)
    )
    assert unsaid.opens_until == mothers.opens_until is not None


def test_what_the_person_said_stays_beside_what_somebody_said_later_for_the_person():
    own = consent(
        id="a", dateTime="2026-01-01", performer=[{"reference": "Patient/p1"}], provision=provision("deny")
    )
    other = consent(id="b", dateTime="2026-02-01", performer=MOTHER)
    assert {s.root.type for s in chosen(own, other).statements} == {"deny", "permit"}
    later = consent(id="c", dateTime="2026-03-01", performer=[{"reference": "Patient/p1"}])
    assert [s.by for s in chosen(own, other, later).statements] == ["self"]


@pytest.mark.parametrize(
    ("state", "service", "age"),
    [
        *(("IL", service, 12) for service in ("SUD", "ETHUD", "STD", "HIV", "MH", "PSY", "BH")),
        *(("IL", service, 0) for service in ("SDV", "PREGNANT", "SEX")),
        *(("IN", service, 0) for service in ("SDV", "SUD", "OPIOIDUD", "STD")),
        *(("IL", service, None) for service in ("VIO", "GDIS")),
        *(("IN", service, None) for service in ("MH", "PSY", "HIV", "PREGNANT", "SEX")),
    ],
)
def test_from_what_age_a_minor_consents_alone(rules, state, service, age):
    visit = {"resourceType": "Condition", "id": "c", "recordedDate": "2026-03-01"}
    labels = Labels("R", frozenset([service]))
    own = [
        years
        for years in range(20)
        if "ADOL" in with_own_care(visit, labels, [f"{2026 - years}-01-01"], state, rules).codes
    ]
    assert own == ([] if age is None else list(range(age, 18)))


VISIT = {"resourceType": "Observation", "id": "v", "status": "final"}
SUBSTANCE = Labels("N", frozenset({"SUD"}))


def marked(rules, labels=SUBSTANCE, born=("2012-01-15",), event_time=None, **elements):
    return with_own_care({**VISIT, **elements}, labels, born, "IL", rules, event_time)


def test_what_is_marked_is_restricted_and_says_by_which_line_once(rules):
    found = marked(rules, effectiveDateTime="2026-03-02")
    assert (found.codes, found.confidentiality) == ({"SUD", "ADOL"}, "R")
    (why,) = found.evidence
    assert why.detail.startswith("minors.csv:")
    assert marked(rules, found, effectiveDateTime="2026-03-02") is found
    assert marked(rules, Labels("V", SUBSTANCE.codes), effectiveDateTime="2026-03-02").confidentiality == "V"


def test_it_is_told_apart_that_the_birth_date_is_not_known(rules):
    told = {born: marked(rules, born=born).evidence[0].detail for born in (("2012-01-15",), ())}
    assert told[()] == f"{told['2012-01-15',]}, the birth date is not known"


@pytest.mark.parametrize(
    ("elements", "own"),
    [
        ({"issued": "2026-03-02T10:00:00-06:00"}, False),  # when it was written down, in adult years
        ({"effectiveDateTime": "1995-03-02", "issued": "2026-03-02T10:00:00-06:00"}, False),
        ({}, True),
    ],
)
def test_without_a_day_of_the_care_the_day_it_was_written_down_counts(rules, elements, own):
    assert ("ADOL" in marked(rules, born=["1980-01-15"], **elements).codes) is own


@pytest.mark.parametrize(
    ("day", "own"), [("2024-01-14", False), ("2024-01-15", True), ("2030-01-14", True), ("2030-01-15", False)]
)
def test_without_any_day_in_it_the_moment_of_its_event_counts(rules, day, own):
    at = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=EXCHANGE_ZONE)
    assert ("ADOL" in marked(rules, event_time=at).codes) is own
