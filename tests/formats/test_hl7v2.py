from __future__ import annotations

import pytest

from exchange.formats import hl7v2, hl7v2_batch
from exchange.model.errors import RecordRejected


def test_fields_count_as_the_standard_counts_them():
    message = hl7v2.parse(b"MSH|^~\\&|APP|FAC\rPID|1||7")
    assert message.segments[0][1:5] == ["|", "^~\\&", "APP", "FAC"]
    assert message.segments[1][3] == "7"


def test_a_message_brings_its_own_delimiters():
    delimiters = hl7v2.parse(b"MSH#*+/%#APP\rPID#1").delimiters
    assert delimiters == hl7v2.Delimiters("#", "*", "+", "/", "%")


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n"])
def test_segments_end_as_the_sender_ends_them(ends):
    message = hl7v2.parse(ends.join([r"MSH|^~\&|APP", "PID|1", "PV1|1", ""]).encode())
    assert [segment[0] for segment in message.segments] == ["MSH", "PID", "PV1"]


def test_a_line_that_is_no_segment_continues_the_text_before_it():
    message = hl7v2.parse(b"MSH|^~\\&|APP\rOBX|1|TX|||first\nsecond line\nOBX|2")
    assert message.segments[1][5] == "first\nsecond line"
    assert message.segments[2] == ["OBX", "2"]


@pytest.mark.parametrize(
    "payload", [b"", b"PID|1", b"MSH", b"MSH|", b"MSH|^^^^|APP", b"garbage\x00", b"\x0b\x1c\r"]
)
def test_what_is_no_message_is_rejected_with_a_place(payload):
    with pytest.raises(RecordRejected) as error:
        hl7v2.parse(payload)
    assert error.value.code == "structure"


def test_bytes_that_are_not_in_the_declared_character_set_are_rejected():
    with pytest.raises(RecordRejected, match="MSH-18"):
        hl7v2.parse("MSH|^~\\&|APP\rPID|||||Nuñez".encode("latin-1"))


def test_utf_16_is_read_by_its_mark():
    assert hl7v2.parse("MSH|^~\\&|APP\rPID|||||Ївга".encode("utf-16")).segments[1][5] == "Ївга"


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"\X41C3A9\!", "Aé!"),
        (r"one\.br\two\.sp\three", "one\ntwo\nthree"),
        (r"\H\bold\N\ \.in+2\text", "bold text"),
        (r"C:\path\to", r"C:\path\to"),
        (r"50\% \Zlocal\ x", r"50\% \Zlocal\ x"),
    ],
)
def test_escapes_become_the_characters_they_stand_for(escaped, plain):
    assert hl7v2.unescape(escaped, hl7v2.Delimiters()) == plain


def test_a_batch_gives_its_messages_without_the_envelopes():
    payload = b"\xef\xbb\xbfFHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\r\rMSH|^~\\&|2\rBTS|2\rFTS|1\r"
    found = [(number, body.split(b"\r")[0]) for number, body in hl7v2_batch.messages(payload)]
    assert found == [(1, b"MSH|^~\\&|1"), (2, b"MSH|^~\\&|2")]


def test_minimal_lower_layer_frames_in_a_file_are_messages():
    payload = b"\x0bMSH|^~\\&|1\rPID|1\r\x1c\r\x0bMSH|^~\\&|2\r\x1c\r"
    assert [body for _, body in hl7v2_batch.messages(payload)] == [b"MSH|^~\\&|1\rPID|1", b"MSH|^~\\&|2"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", "2024-01-01T00:00:00+00:00"),
        ("20240102030405.678+0200", "2024-01-02T03:04:05+02:00"),
        ("20240231", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_timestamp_is_an_instant_or_nothing(text, moment):
    found = hl7v2.timestamp(text)
    assert (found.isoformat() if found else None) == moment


@pytest.mark.parametrize(
    ("named", "encoding"),
    [
        ("8859/1", "latin-1"),
        ("8859/2", "iso8859-2"),
        ("8859/15", "iso8859-15"),
        ("ASCII~8859/1", "latin-1"),
        ("8859/1~UNICODE UTF-8", "utf-8"),
        ("UNICODE UTF-8", "utf-8"),
        ("~ISO IR100", "latin-1"),
        ("ISO_IR 100", "latin-1"),
        ("windows-1252", "cp1252"),
        ("", "utf-8"),
        ("made up", "utf-8"),
    ],
)
def test_the_character_set_is_one_of_those_that_are_named(named, encoding):
    name = "Müller" if encoding == "iso8859-2" else "Muñoz"
    if encoding == "iso8859-2":
        name = "Müller-Łoś"
    text = f"MSH|^~\\&{'|' * 16}{named}\rPID|||||{name}"
    assert hl7v2.parse(text.encode(encoding)).segments[1][5] == name


@pytest.mark.parametrize("named", ["~ISO IR87", "~ISO IR87~ISO IR159", "ISO IR14~ISO IR87"])
def test_japanese_names_switch_their_sets_within_the_text(named):
    text = f"MSH|^~\\&{'|' * 16}{named}\rPID|||||YAMADA^TARO~山田^太郎"
    assert hl7v2.parse(text.encode("iso2022_jp")).segments[1][5] == "YAMADA^TARO~山田^太郎"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_characters_are_seen_with_a_mark_or_without_also_in_a_batch(encoding):
    text = "FHS|^~\\&\rMSH|^~\\&|A\rPID|1||7||Ївга\rMSH|^~\\&|B\rPID|1||8||Ann\rFTS|2\r"
    found = [hl7v2.parse(message) for _, message in hl7v2_batch.messages(text.encode(encoding))]
    assert [message.segments[1][5] for message in found] == ["Ївга", "Ann"]


def test_wide_characters_that_are_cut_off_are_refused():
    with pytest.raises(RecordRejected, match="utf-16"):
        hl7v2.parse("MSH|^~\\&|A\rPID|1".encode("utf-16")[:-1])


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"\E\T\E\ \E\\F\\E\ ", r"\T\ \|\ "),
        (r"caf\XE9\ caf\XC3A9\ ", "café café "),
        (r"a\X0D\b\X00\\X1C\c", "a\rbc"),
        (r"\M2442\;3ED\C2842\ TARO", "山田 TARO"),
        (r"\C2D41\plain", "plain"),
        (r"\Zmine\ \Qx\ ", r"\Zmine\ \Qx\ "),
        ("\\", "\\"),
        ("\\\\\\", "\\\\\\"),
    ],
)
def test_rarer_escapes_are_read_and_what_is_none_stays(escaped, plain):
    assert hl7v2.unescape(escaped, hl7v2.Delimiters()) == plain


def test_escapes_stand_for_the_messages_own_delimiters():
    message = hl7v2.parse(b"MSH#*+/%#APP\rPID#1###A/S/B/T/C/R/D/E/E/F/F")
    assert hl7v2.unescape(message.segments[1][4], message.delimiters) == "A*B%C+D/E#F"


@pytest.mark.parametrize(
    ("ends", "problems"),
    [
        ("BTS|2\rFTS|1", []),
        ("BTS|3\rFTS|1", ["BTS-1 counts 3 messages, the batch holds 2"]),
        ("BTS|2\rFTS|5", ["FTS-1 counts 5 batches, the file holds 1"]),
        ("BTS\rFTS", []),
        ("BTS|2", ["FHS without FTS: the file may be cut off"]),
        ("", ["FHS without FTS: the file may be cut off", "BHS without BTS: the file may be cut off"]),
    ],
)
def test_an_envelope_that_miscounts_is_told(ends, problems):
    payload = b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\r" + ends.encode()
    assert [fault.problem for fault in hl7v2_batch.envelope_faults(payload)] == problems
    assert len(list(hl7v2_batch.messages(payload))) == 2
