"""Every feed is well-formed by its own standard, apart from the records that are wrong on purpose."""

import csv
import sqlite3
from collections import Counter
from xml.etree import ElementTree

import orjson
import pytest

from exchange.synthetic.faults import HOUSING, NURSING
from exchange.synthetic.feeds import prairie
from exchange.validation import validate


def hospital_messages(written):
    frames = next((written.partners / "lakeside_hospital").glob("*.mllp")).read_bytes().split(b"\x1c\r")[:-1]
    assert all(frame.startswith(b"\x0b") for frame in frames)
    return [frame[1:].decode().split("\r")[:-1] for frame in frames]


def batch_files(written):
    return sorted((written.partners / "county_health").glob("*/*.hl7"))


def county_messages(written):
    for path in batch_files(written):
        for message in path.read_bytes().decode().split("MSH|")[1:]:
            yield f"MSH|{message}".split("\r")


def resources(written, partner):
    connection = sqlite3.connect(written.partners / partner / "records.sqlite")
    return [orjson.loads(body) for (body,) in connection.execute("SELECT body FROM resource")]


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_hospital_messages_are_sent_in_the_order_of_their_time(first_day):
    headers = [message[0].split("|") for message in hospital_messages(first_day)]

    # The offset from UTC changes with the season; local time alone keeps the order.
    assert [h[6][:14] for h in headers] == sorted(h[6][:14] for h in headers)


def test_hospital_control_ids_are_short_and_only_a_message_sent_again_repeats_one(first_day):
    by_control = {}
    for message in hospital_messages(first_day):
        by_control.setdefault(message[0].split("|")[9], []).append(message)

    repeated = {control: messages for control, messages in by_control.items() if len(messages) > 1}

    assert max(map(len, by_control)) <= 20
    assert repeated
    assert all(messages[0] == messages[1] for messages in repeated.values())


def test_hospital_sends_every_kind_of_event(second_day):
    files = (second_day.partners / "lakeside_hospital").glob("*.mllp")
    text = b"".join(path.read_bytes() for path in files)

    for event in (b"A01", b"A03", b"A04", b"A08", b"A11", b"A31", b"A40"):
        assert b"|ADT^" + event in text
    assert b"|ORU^R01" in text


def test_segments_are_three_capitals_and_fields(first_day):
    messages = [*hospital_messages(first_day), *county_messages(first_day)]

    for line in (line for message in messages for line in message if line):
        assert line[:3].isalnum()
        assert line[:3].isupper()
        assert line[3] == "|"


def test_every_message_names_its_patient_unless_wrong_on_purpose(first_day):
    for message in (*hospital_messages(first_day), *county_messages(first_day)):
        patients = [line.split("|")[3] for line in message if line.startswith("PID|")]
        if "-FAULT-" not in message[0]:
            assert len(patients) == 1
            assert patients[0]


def test_batches_count_their_messages(first_day):
    for path in batch_files(first_day):
        lines = path.read_bytes().decode().split("\r")
        count = next(line.split("|")[1] for line in lines if line.startswith("BTS|"))
        assert int(count) == sum(line.startswith("MSH|") for line in lines) <= 500
        assert [line[:3] for line in (lines[0], lines[1], lines[-2])] == ["FHS", "BHS", "FTS"]


def test_documents_are_xml_with_unique_entry_ids_unless_cut_off(first_day):
    paths = sorted((first_day.partners / "willow_nursing" / "documents").glob("*.xml"))

    for path in (path for path in paths if path.name != NURSING.where):
        root = ElementTree.parse(path).getroot()
        ids = [(i.get("root"), i.get("extension")) for i in root.iter("{urn:hl7-org:v3}id")]
        entries = [ident for ident in ids if ident[0] == "2.16.840.1.113883.19.20.5"]
        assert len(entries) == len(set(entries)) > 0
    with pytest.raises(ElementTree.ParseError):
        ElementTree.parse(paths[0].with_name(NURSING.where))


def test_rows_have_as_many_columns_as_their_header_unless_wrong_on_purpose(first_day):
    paths = [*first_day.partners.glob("good_table/*.csv"), *first_day.partners.glob("hearth_housing/*/*.csv")]

    assert len(paths) == 11
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert [row[0] for row in rows if len(row) != len(header)] in ([], [HOUSING[0].where])


def test_rows_of_a_table_have_unique_keys(first_day):
    for path in first_day.partners.glob("h*_housing/*/*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            keys = Counter(row[0] for row in csv.reader(file))
        assert keys.most_common(1)[0][1] == 1


@pytest.mark.parametrize("partner", ["prairie_clinic", "harbor_recovery"])
def test_fhir_resources_are_valid_unless_wrong_on_purpose(first_day, partner):
    for resource in resources(first_day, partner):
        found = [issue for issue in validate(resource) if issue.severity in {"error", "fatal"}]
        assert bool(found) == ("-fault-" in resource["id"]), (resource["resourceType"], found[:1])


@pytest.mark.parametrize("partner", ["prairie_clinic", "harbor_recovery"])
def test_fhir_references_lead_to_resources_of_the_same_system(first_day, partner):
    found = resources(first_day, partner)

    known = {f"{resource['resourceType']}/{resource['id']}" for resource in found}

    assert {reference for resource in found for reference in references(resource)} <= known


def test_the_clinic_offers_only_the_types_it_declares(first_day):
    assert {resource["resourceType"] for resource in resources(first_day, "prairie_clinic")} == set(
        prairie.TYPES
    )


def test_the_confidential_shelter_has_no_address(first_day):
    services = orjson.loads((first_day.partners / "service_directory" / "services.json").read_bytes())

    shelter = next(service for service in services if service.get("name") == "Confidential shelter")

    assert shelter["service_at_locations"]
    assert not any(site["location"]["addresses"] for site in shelter["service_at_locations"])
