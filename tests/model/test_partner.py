"""A wrong partner.yaml is refused when it is read, with its line, not when the first record comes."""

import pytest

from exchange.content import load_partners, parse_partner
from exchange.model.errors import ContentError

PARTNER = """\
namespace: https://maple.example/
organization: {{name: Maple, type: clinic}}
agreement: {{type: DUA, signed: 2020-01-01}}
connector: {{type: folder, options: {{path: /out}}}}
feeds:
  people:
    format: delimited
    map: people.map.yaml
    {line}
"""


def read(line):
    return parse_partner("maple", PARTNER.format(line=line), "mappings/maple/partner.yaml").feeds["people"]


@pytest.mark.parametrize(
    "line, field, told",
    [
        ("options: {delimeter: ;}", "delimeter", "not permitted"),
        ("options: {delimiter: ';;'}", "delimiter", "pattern"),
        ("options: {quote: ''}", "quote", "pattern"),
        ("options: {skip: -1}", "skip", "greater than or equal to 0"),
        ("options: {delimiter: '\"'}", "", "the same character"),
        ("options: {columns: [id, id]}", "", "one column twice"),
        ("encoding: klingon", "encoding", "no such encoding"),
        ("encoding: base64", "encoding", "no such encoding"),
    ],
)
def test_an_option_that_no_file_could_be_read_with_is_named_with_its_place(line, field, told):
    with pytest.raises(ContentError, match=told) as wrong:
        read(line)
    assert wrong.value.file == "mappings/maple/partner.yaml"
    assert wrong.value.line in (6, 9)
    assert wrong.value.field.endswith(field)


def test_options_and_encodings_that_work_are_taken():
    feed = read("options: {delimiter: ';', quote: \"'\", columns: [id, name], skip: 1}")
    assert feed.options == {"delimiter": ";", "quote": "'", "columns": ["id", "name"], "skip": 1}
    assert read("encoding: utf-16").encoding == "utf-16"


WHOLE = PARTNER.format(line="match: '*.csv'")


@pytest.mark.parametrize(
    "old, new, field, told",
    [
        ("agreement:", "timezone: America/Springfield\nagreement:", "timezone", "no such time zone"),
        ("agreement:", "schedule: every day\nagreement:", "schedule", "five cron fields"),
        ("agreement:", "schedule: 61 * * * *\nagreement:", "schedule", "five cron fields"),
        ("agreement:", "code: oak\nagreement:", "code", "must be the name of the folder, `maple`"),
        ("agreement:", "shedule: '@daily'\nagreement:", "shedule", "did you mean `schedule`"),
        ("name: Maple", 'name: "Ma\\u202eple"', "organization.name", "none of them unseen"),
        ("name: Maple", "name: " + "x" * 201, "organization.name", "1 to 200 letters"),
        ("name: Maple", "name: Maple, nip: '1'", "organization.nip", "did you mean `npi`"),
        ("map: people", "mapp: people", "feeds.people.mapp", "did you mean `map`"),
        ("https://maple.example/", "maple clinic", "namespace", "a namespace is a URI"),
    ],
)
def test_a_wrong_field_is_named_with_its_line_and_what_would_be_right(old, new, field, told):
    text = WHOLE.replace(old, new, 1)
    with pytest.raises(ContentError, match=told) as wrong:
        parse_partner("maple", text, "mappings/maple/partner.yaml")
    assert wrong.value.field == field
    assert wrong.value.line == next(n for n, line in enumerate(text.splitlines(), 1) if new[:6] in line)


@pytest.mark.parametrize("text", ["- a\n", "maple\n"])
def test_a_file_that_holds_no_fields_is_refused(text):
    with pytest.raises(ContentError, match="must hold fields"):
        parse_partner("maple", text, "mappings/maple/partner.yaml")


@pytest.mark.parametrize("schedule", ["@daily", "*/5 0-6,12 1 * 0"])
def test_a_schedule_of_cron_is_taken(schedule):
    text = WHOLE + f"schedule: '{schedule}'\n"
    assert parse_partner("maple", text, "mappings/maple/partner.yaml").schedule == schedule


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda text: text, r"oak/partner.yaml:1: `namespace`: is `maple`'s already"),
        (
            lambda text: text.replace("maple.", "oak."),
            r"oak/partner.yaml:2: `organization.npi`: is `maple`'s",
        ),
        (
            lambda text: text.replace("maple.", "oak.").replace("npi: '1'", "part_of: elm"),
            r"oak/partner.yaml:2: `organization.part_of`: there is no participant `elm`",
        ),
    ],
)
def test_a_copied_partner_that_cannot_be_told_from_its_model_is_refused(change, told):
    text = WHOLE.replace("name: Maple", "name: Maple, npi: '1'")
    with pytest.raises(ContentError, match=told):
        load_partners({"maple/partner.yaml": text, "oak/partner.yaml": change(text)})


SHARED = {"_shared/feeds/hmis.yaml": "client: {format: delimited, map: c.map.yaml, key: [PersonalID]}\n"}


def test_a_feed_that_is_like_a_shared_one_says_only_what_differs():
    text = WHOLE.replace("format: delimited", "like: hmis/client").replace("    map: people.map.yaml\n", "")
    feed = load_partners({"maple/partner.yaml": text, **SHARED})["maple"].feeds["people"]
    assert (feed.map, feed.key, feed.match) == ("c.map.yaml", ("PersonalID",), "*.csv")


def test_a_shared_feed_that_is_not_there_is_named_with_its_line():
    text = WHOLE.replace("format: delimited", "like: hmis/clients")
    with pytest.raises(ContentError, match="no shared feed `hmis/clients`; valid here: hmis/client") as wrong:
        load_partners({"maple/partner.yaml": text, **SHARED})
    assert wrong.value.line == 7
