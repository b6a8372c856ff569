"""A wrong partner.yaml is refused when it is read, with its line, not when the first record comes."""

import pytest

from exchange.content import parse_partner
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
