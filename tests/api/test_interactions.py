"""Read, search and $everything: what a requester gets, what he does not, and the record of both."""

from __future__ import annotations

import base64
import gzip

import pytest

from exchange.model.ids import golden_id

PART2 = "42CFRPart2"


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def person(records):
    """Somebody of the clinic's: a Patient with an open, a protected and an HIV observation."""
    fhir_id = records.patient("prairie_clinic", "p1", name=[{"family": "Kowalska"}], gender="female")
    records.observation("prairie_clinic", fhir_id, "open")
    records.observation("prairie_clinic", fhir_id, "part2", PART2)
    records.observation("prairie_clinic", fhir_id, "hiv", "HIV", code="7918-6")
    return fhir_id


def disclosures(rows):
    return [(kind, patient) for kind, _, patient, _ in rows if not kind.startswith("token")]


def matches(bundle):
    return [
        e["fullUrl"].split("/fhir/")[1] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"
    ]


def codes(bundle):
    resources = [entry["resource"] for entry in bundle.get("entry", ())]
    return sorted(r["code"]["coding"][0]["code"] for r in resources if r["resourceType"] == "Observation")


def test_a_read_gives_the_resource_with_its_version(ask, hospital, person):
    answer = ask(hospital, f"Patient/{golden_id(person)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.json()["name"] == [{"family": "Kowalska"}]
    assert answer.headers["etag"] == f'W/"{answer.json()["meta"]["versionId"]}"'
    assert answer.headers["last-modified"].endswith("GMT")


@pytest.mark.parametrize("address", ["{0}", "{0}/_history/{1}"])
def test_a_part_of_a_resource_is_read_under_the_name_of_the_whole(ask, hospital, person, address):
    whole = ask(hospital, f"Patient/{golden_id(person)}")
    path = "Patient/" + address.format(golden_id(person), whole.json()["meta"]["versionId"])
    part = ask(hospital, path, params={"_elements": "gender"})
    assert {*part.json()} == {"resourceType", "id", "meta", "gender"}
    assert part.json()["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert part.headers["etag"] == whole.headers["etag"]
    assert ask(hospital, path, params={"_summary": "false"}).content == whole.content
    assert "family" in ask(hospital, path, params={"_summary": "true"}).text
    assert ask(hospital, path, params={"_summary": "count"}).status_code == 400


def test_a_history_tells_as_much_of_each_version_as_is_asked_for(ask, hospital, person):
    (entry,) = ask(hospital, f"Patient/{golden_id(person)}/_history?_elements=gender").json()["entry"]
    assert {*entry["resource"]} == {"resourceType", "id", "meta", "gender"}


def test_hidden_and_absent_look_the_same(ask, hospital, clinic, records, person):
    hidden = records.observation("prairie_clinic", person, "secret", "HIV")
    absent = "00000000-0000-5000-8000-000000000000"
    first, second = ask(hospital, f"Observation/{hidden}"), ask(hospital, f"Observation/{absent}")
    assert ask(clinic, f"Observation/{hidden}").status_code == 200
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 404
    assert first.headers.keys() == second.headers.keys()


@pytest.mark.parametrize("key", ["7", "x" * 64, "00000000-0000-5000-8000-00000000000A", "a.b-c"])
def test_an_id_that_cannot_be_ours_is_not_found(ask, hospital, records, key):
    answer = ask(hospital, f"Observation/{key}")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")


def test_a_search_gives_only_what_the_requester_may_see(ask, hospital, clinic, shelter, person):
    found = {
        software.participant: ask(software, "Observation").json() for software in (hospital, clinic, shelter)
    }
    assert codes(found["prairie_clinic"]) == ["2345-7", "2345-7", "7918-6"]
    assert codes(found["lakeside_hospital"]) == ["2345-7", "2345-7"]
    assert codes(found["north_shelter"]) == ["2345-7"]


def test_what_is_hidden_changes_no_byte_of_a_search(ask, hospital, records, person, token_of):
    token = token_of(hospital)
    before = ask(hospital, "Observation?_total=accurate", token=token)
    records.observation("prairie_clinic", person, "another", "HIV")
    after = ask(hospital, "Observation?_total=accurate", token=token)
    assert before.content == after.content


def test_a_search_by_post_is_the_search_by_get(ask, hospital, person, token_of):
    token = token_of(hospital)
    by_get = ask(hospital, "Patient?family=kowalska&gender=female", token=token)
    by_post = ask(
        hospital, "Patient/_search?gender=female", method="POST", data={"family": "kowalska"}, token=token
    )
    assert by_get.json()["entry"] == by_post.json()["entry"]
    assert by_get.json()["total"] == 1


def test_a_search_by_post_may_have_all_its_parameters_in_the_address(ask, hospital, person):
    found = ask(hospital, "Patient/_search?gender=female", method="POST")
    assert found.json()["entry"] == ask(hospital, "Patient?gender=female").json()["entry"]


def test_pages_hold_everything_once(ask, hospital, records, person, api, token_of):
    for number in range(7):
        records.observation("prairie_clinic", person, f"more-{number}")
    headers, url, seen = {"Authorization": f"Bearer {token_of(hospital)}"}, "/fhir/Observation?_count=4", []
    while url:
        page = api.get(url, headers=headers).json()
        seen += [entry["fullUrl"] for entry in page["entry"] if entry["search"]["mode"] == "match"]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert len(seen) == len(set(seen)) == 9


def test_a_page_of_another_requester_is_refused(ask, hospital, clinic, records, person, api, token_of):
    page = ask(hospital, "Observation?_count=1").json()
    url = next(link["url"] for link in page["link"] if link["relation"] == "next")
    answer = api.get(url, headers={"Authorization": f"Bearer {token_of(clinic)}"})
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


def test_everything_gives_the_person_and_his_records(ask, hospital, person):
    bundle = ask(hospital, f"Patient/{golden_id(person)}/$everything").json()
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert types.count("Patient") == 1
    assert types.count("Observation") == 2


def test_a_compartment_is_searched_by_post_too(ask, api, hospital, records, person, token_of):
    """Also page by page, with what was asked in the body in no address."""
    other = records.patient("lakeside_hospital", "a2")
    records.observation("lakeside_hospital", other, "o9")
    token = token_of(hospital)
    path = f"Patient/{golden_id(person)}/Observation"
    by_get = ask(hospital, f"{path}?code=2345-7", token=token).json()
    by_post = ask(
        hospital, f"{path}/_search?_count=1", method="POST", data={"code": "2345-7"}, token=token
    ).json()
    url = next(link["url"] for link in by_post["link"] if link["relation"] == "next")
    assert "2345-7" not in url
    second = api.get(url, headers={"Authorization": f"Bearer {token}"}).json()
    assert [*matches(by_post), *matches(second)] == matches(by_get)
    assert len(matches(by_get)) == 2


def _pages(ask, api, software, path, token, **options):
    page = ask(software, path, token=token, **options).json()
    while True:
        yield page
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
        if url is None:
            return
        page = api.get(url, headers={"Authorization": f"Bearer {token}"}).json()


def test_a_whole_compartment_is_the_person_and_his_records_and_nobody_else_s(
    ask, api, hospital, records, person, token_of, audit_rows
):
    other = records.patient("lakeside_hospital", "a2")
    records.observation("lakeside_hospital", other, "o9")
    records.organization("prairie_clinic", "Prairie")
    token, path = token_of(hospital), f"Patient/{golden_id(person)}/*"
    pages = list(_pages(ask, api, hospital, f"{path}?_count=1", token))
    found = [reference for page in pages for reference in matches(page)]
    assert len(pages) == 2
    assert sorted(reference.split("/")[0] for reference in found) == ["Observation", "Observation", "Patient"]
    assert f"Patient/{golden_id(person)}" in found
    by_post = ask(
        hospital, f"Patient/{golden_id(person)}/_search", method="POST", token=token, data={"_count": "9"}
    )
    assert sorted(matches(by_post.json())) == sorted(found)
    assert ("query", golden_id(person)) in disclosures(audit_rows())
    only = ask(hospital, f"{path}?_type=Patient", token=token).json()
    assert matches(only) == [f"Patient/{golden_id(person)}"]


def test_a_whole_compartment_of_somebody_hidden_is_that_of_nobody(ask, shelter, records, token_of):
    hidden = records.patient("prairie_clinic", "secret")
    records.publish_patient("prairie_clinic", hidden, "HIV")
    token = token_of(shelter)
    answers = [
        ask(shelter, f"Patient/{key}/*", token=token).json()
        for key in (golden_id(hidden), "00000000-0000-5000-8000-000000000000")
    ]
    assert [("entry" in answer, answer["type"]) for answer in answers] == [(False, "searchset")] * 2


@pytest.mark.parametrize(
    ("scope", "types"),
    [
        ("system/Patient.rs system/Observation.r", {"Patient"}),
        ("system/Patient.s system/Observation.s?code=718-7", {"Patient"}),
        ("system/Patient.s system/Observation.s?code=2345-7", {"Patient", "Observation"}),
    ],
)
def test_a_whole_compartment_holds_what_the_token_may_search(ask, hospital, person, token_of, scope, types):
    found = ask(hospital, f"Patient/{golden_id(person)}/*", token=token_of(hospital, scope=scope)).json()
    assert {reference.split("/")[0] for reference in matches(found)} == types


def test_a_search_for_no_entry_tells_the_total(ask, hospital, person, token_of):
    token = token_of(hospital)
    for kind, total in (("Observation", 2), ("Patient", 1)):
        bundle = ask(hospital, f"{kind}?_count=0", token=token).json()
        assert (bundle["total"], "entry" in bundle) == (total, False)


def test_everything_of_somebody_hidden_is_not_found(ask, shelter, records):
    fhir_id = records.patient("prairie_clinic", "p9")
    records.conn.execute("DELETE FROM disclosure")
    records.conn.commit()
    assert ask(shelter, f"Patient/{golden_id(fhir_id)}/$everything").status_code == 404


def test_every_answer_is_recorded_once_for_each_patient(ask, hospital, records, person, audit_rows):
    other = records.patient("prairie_clinic", "p2")
    records.observation("prairie_clinic", other, "open-too")
    ask(hospital, f"Patient/{golden_id(person)}")
    ask(hospital, "Observation?code=2345-7")
    ask(hospital, f"Patient/{golden_id(person)}/$everything")
    both = sorted([golden_id(person), golden_id(other)])
    assert disclosures(audit_rows()) == [
        ("read", golden_id(person)),
        *(("query", patient) for patient in both),
        ("everything", golden_id(person)),
    ]


def test_the_record_holds_the_question_the_types_and_the_rules(ask, hospital, person, audit_rows):
    ask(hospital, "Observation?code=2345-7")
    (_, _, _, event) = audit_rows()[-1]
    entities = event["entity"]
    assert base64.b64decode(entities[0]["query"]).decode() == "GET /fhir/Observation?code=2345-7"
    assert "Observation" in [entity["type"]["code"] for entity in entities]
    assert "urn:mosaic:rule:treatment" in event["agent"][1]["policy"]


def test_nobody_hidden_is_in_the_record(ask, hospital, records, person, audit_rows):
    records.conn.execute("DELETE FROM disclosure")
    records.conn.commit()
    ask(hospital, "Observation")
    ask(hospital, f"Patient/{golden_id(person)}")
    assert disclosures(audit_rows()) == [("query", None), ("denied", None)]


def test_a_subset_is_recorded_for_whom_it_is_about(ask, hospital, person, audit_rows):
    ask(hospital, "Observation?_elements=code")
    assert disclosures(audit_rows()) == [("query", golden_id(person))]


def test_a_known_version_is_not_sent_again_but_recorded(ask, hospital, person, token_of, audit_rows):
    token = token_of(hospital)
    first = ask(hospital, f"Patient/{golden_id(person)}", token=token)
    again = ask(
        hospital,
        f"Patient/{golden_id(person)}",
        headers={"If-None-Match": first.headers["etag"]},
        token=token,
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert [kind for kind, *_ in audit_rows()][-2:] == ["read", "read"]


def test_who_was_told_less_or_more_is_not_told_that_nothing_changed(ask, hospital, records, person, token_of):
    """A link changes what is told of a Patient, as a consent does, and leaves its date as it was."""
    other = records.patient("prairie_clinic", "p2", name=[{"family": "Kowalska"}])
    token, place = token_of(hospital), f"Patient/{max(person, other, key=golden_id)}"
    first = ask(hospital, place, token=token)
    records.link(person, other)
    known = {"If-None-Match": first.headers["etag"], "If-Modified-Since": first.headers["last-modified"]}
    for header, value in known.items():
        again = ask(hospital, place, headers={header: value}, token=token)
        assert again.headers["last-modified"] == first.headers["last-modified"]
        assert (again.status_code, again.content != first.content) == (200, True), header


def test_what_must_travel_with_the_data_does(ask, hospital, records, person):
    part2 = records.observation("prairie_clinic", person, "part2-too", PART2)
    read = ask(hospital, f"Observation/{part2}")
    bundle = ask(hospital, "Observation").json()
    assert read.headers["x-obligations"] == "redisclosure-notice"
    issue = next(e for e in bundle["entry"] if e["search"]["mode"] == "outcome")["resource"]["issue"][0]
    assert issue["diagnostics"].startswith("redisclosure-notice: 42 CFR part 2 prohibits")


def test_without_obligations_nothing_is_said_of_them(ask, shelter, person):
    answer = ask(shelter, "Observation")
    assert "x-obligations" not in answer.headers
    assert [entry["search"]["mode"] for entry in answer.json()["entry"]] == ["match"]


def test_unknown_parameters_are_refused_by_name(ask, hospital, person):
    answer = ask(hospital, "Observation?colour=red")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")
    assert "colour" in answer.text
    assert "red" not in answer.json()["issue"][0]["diagnostics"].replace("here: ", "")


@pytest.mark.parametrize("name", ["code", "_id", "_lastUpdated", "patient", "code:not", "patient.name"])
def test_a_criterion_without_a_value_is_refused_as_that_or_ignored(ask, hospital, person, token_of, name):
    token = token_of(hospital)
    for prefer in ({}, {"Prefer": "handling=strict"}):
        answer = ask(hospital, f"Observation?{name}=&status=final", token=token, headers=prefer)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid")
        assert answer.json()["issue"][0]["diagnostics"].startswith(f"without a value: {name}; ")
    lenient = {"Prefer": "handling=lenient"}
    answer = ask(hospital, f"Observation?{name}=&status=final", token=token, headers=lenient)
    assert answer.json()["entry"] == ask(hospital, "Observation?status=final", token=token).json()["entry"]
    assert answer.json()["link"][0]["url"].endswith("/Observation?status=final")


def test_a_lenient_requester_is_told_what_was_left_out(ask, hospital, person):
    answer = ask(hospital, "Observation?colour=red&code=2345-7", headers={"Prefer": "handling=lenient"})
    bundle = answer.json()
    assert codes(bundle) == ["2345-7", "2345-7"]
    assert bundle["link"][0]["url"] == "https://hie.example/fhir/Observation?code=2345-7"
    assert "colour" in bundle["entry"][-1]["resource"]["issue"][0]["diagnostics"]


@pytest.mark.parametrize("scope", ["system/Patient.rs", "system/Observation.r"])
def test_a_scope_that_does_not_reach_is_refused_and_recorded(
    ask, hospital, person, token_of, audit_rows, scope
):
    answer = ask(hospital, "Observation?code=2345-7", token=token_of(hospital, scope=scope))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden")
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    assert disclosures(audit_rows()) == [("denied", None)]


@pytest.mark.parametrize(
    ("include", "status"),
    [
        ("_include=Observation:patient", 403),
        ("_include=Observation:encounter", 403),
        ("_include=Observation:encounter:Encounter", 403),
        ("_include=Observation:encounter:Observation", 200),
        ("_revinclude=Provenance:target", 403),
        ("_revinclude=DiagnosticReport:result", 403),
    ],
)
def test_a_narrow_token_includes_nothing_beyond_its_scope(ask, hospital, person, token_of, include, status):
    token = token_of(hospital, scope="system/Observation.rs")
    assert ask(hospital, f"Observation?{include}", token=token).status_code == status


def test_everything_keeps_within_the_scopes(ask, hospital, person, token_of):
    token = token_of(hospital, scope="system/Patient.r")
    bundle = ask(hospital, f"Patient/{golden_id(person)}/$everything", token=token).json()
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == ["Patient"]


def test_everything_of_one_type_within_the_scopes(ask, hospital, person, token_of):
    token = token_of(hospital, scope="system/Patient.r system/Observation.rs")
    path = f"Patient/{golden_id(person)}/$everything?_type=Observation,Condition"
    bundle = ask(hospital, path, token=token).json()
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} - {"OperationOutcome"} == {
        "Observation"
    }


def test_records_about_nobody_are_read_too(ask, shelter, records, audit_rows):
    key = records.organization("prairie_clinic", "Prairie")
    assert ask(shelter, f"Organization/{key}").json()["name"] == "Prairie"
    assert disclosures(audit_rows()) == [("read", None)]


def test_a_revocation_holds_from_the_next_request_on(ask, api, hospital, person, token_of, audit_rows):
    token = token_of(hospital)
    assert ask(hospital, "Observation", token=token).status_code == 200
    api.post("/auth/revoke", data={**hospital.form(), "token": token})
    answer = ask(hospital, "Observation", token=token)
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert [kind for kind, *_ in audit_rows()][-1] == "denied"


def test_links_lead_every_id_to_one_person(ask, hospital, records, person):
    twin = records.patient("lakeside_hospital", "same")
    records.link(person, twin)
    found = {ask(hospital, f"Patient/{golden_id(key)}").status_code for key in (person, twin)}
    assert 200 in found
    assert ask(hospital, "Patient?_total=accurate").json()["total"] == 1


def test_a_large_answer_is_compressed_on_request(ask, hospital, person, api, token_of):
    token = token_of(hospital)
    plain = ask(hospital, "Observation", headers={"Accept-Encoding": "identity"}, token=token)
    packed = ask(hospital, "Observation", headers={"Accept-Encoding": "gzip"}, token=token)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content)
