"""The landing store gives back what it was given, to nobody else, for as long as agreed."""

from datetime import date
from pathlib import Path

import pytest

from exchange.crypto import Keyring, SealBroken
from exchange.landing import Landing
from exchange.model.errors import ContentError, RecordRejected

RING = Keyring.generate()
PAYLOADS = [b"MSH|^~\\&|first", b"", b"second " * 1000, b"first"]


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return tmp_path.as_uri() if request.param == "folder" else f"memory://{tmp_path.name}"


def test_every_payload_comes_back_from_its_address(root: str) -> None:
    landing = Landing(root, RING)
    addresses = landing.put("clinic", PAYLOADS)
    assert [landing.get(address) for address in addresses] == PAYLOADS
    assert all(address.startswith("clinic/") for address in addresses)


def test_many_come_back_in_the_order_asked_from_several_packs(root: str) -> None:
    landing = Landing(root, RING)
    asked = [*landing.put("clinic", PAYLOADS), *landing.put("shelter", [b"other"])][::-1]
    assert Landing(root, RING).get_many(asked) == [b"other", *PAYLOADS[::-1]]
    assert landing.put("clinic", []) == []


def test_nothing_on_the_disk_shows_what_was_sent(tmp_path: Path) -> None:
    Landing(tmp_path.as_uri(), RING).put("clinic", [b"Jane Roe"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not any(b"Jane" in path.read_bytes() or "Jane" in path.name for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_an_altered_pack_is_noticed_on_reading_and_by_verify(tmp_path: Path) -> None:
    landing = Landing(tmp_path.as_uri(), RING)
    good, bad = landing.put("clinic", [b"good"])[0], landing.put("clinic", [b"bad"])[0]
    pack = tmp_path / f"{bad.split(':')[0]}.pack"
    content = pack.read_bytes()
    pack.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert landing.get(good) == b"good"
    assert landing.verify("clinic") == [pack.stem]
    with pytest.raises(SealBroken):
        landing.get(bad)


def test_records_cannot_change_places_within_a_pack(tmp_path: Path) -> None:
    landing = Landing(tmp_path.as_uri(), RING)
    first, second = landing.put("clinic", [b"a" * 20, b"b" * 20])
    pack = tmp_path / f"{first.split(':')[0]}.pack"
    (_, start, length), (_, other, _) = first.split(":"), second.split(":")
    content = bytearray(pack.read_bytes())
    a, b, n = int(start), int(other), int(length)
    content[a : a + n], content[b : b + n] = content[b : b + n], content[a : a + n]
    pack.write_bytes(content)
    with pytest.raises(SealBroken):
        landing.get(first)


def test_a_pack_moved_to_another_partner_does_not_open(tmp_path: Path) -> None:
    landing = Landing(tmp_path.as_uri(), RING)
    address = landing.put("clinic", [b"a"])[0]
    (tmp_path / "clinic").rename(tmp_path / "shelter")
    with pytest.raises(SealBroken):
        Landing(tmp_path.as_uri(), RING).get(address.replace("clinic", "shelter"))


def test_a_truncated_pack_is_noticed(tmp_path: Path) -> None:
    landing = Landing(tmp_path.as_uri(), RING)
    address = landing.put("clinic", [b"a" * 100])[0]
    pack = tmp_path / f"{address.split(':')[0]}.pack"
    pack.write_bytes(pack.read_bytes()[:-10])
    with pytest.raises(SealBroken):
        landing.get(address)


def test_retention_takes_only_what_is_old_and_says_so_when_asked_for_it(root: str) -> None:
    days = [date(2026, 1, 31), date(2026, 2, 1)]
    old, new = (Landing(root, RING, lambda day=day: day).put("clinic", [b"x"])[0] for day in days)
    landing = Landing(root, RING)
    landing.get(old)
    assert landing.expire("clinic", before=date(2026, 2, 1)) == 1
    assert landing.get(new) == b"x"
    with pytest.raises(RecordRejected, match="retention"):
        landing.get(old)
    assert landing.expire("clinic", before=date(2026, 2, 1)) == 0


def test_rotation_rewrites_the_small_files_alone_and_frees_the_old_key(tmp_path: Path) -> None:
    address = Landing(tmp_path.as_uri(), RING).put("clinic", [b"x"])[0]
    pack = tmp_path / f"{address.split(':')[0]}.pack"
    before, rotated = pack.stat(), RING.rotate()
    assert Landing(tmp_path.as_uri(), rotated).rewrap("clinic") == 1
    only_new = Keyring("k2", "k2", {"k2": rotated.keys["k2"]})
    landing = Landing(tmp_path.as_uri(), only_new)
    assert landing.get(address) == b"x"
    assert pack.stat().st_mtime_ns == before.st_mtime_ns
    assert landing.rewrap("clinic") == 0
    assert landing.verify("clinic") == []


@pytest.mark.parametrize("address", ["", "clinic", "../x/1:2:3", "clinic/../../etc/passwd:0:10"])
def test_what_is_no_address_is_refused(address: str, root: str) -> None:
    with pytest.raises(SealBroken, match="address"):
        Landing(root, RING).get(address)


def test_a_partner_code_cannot_lead_out_of_the_store(root: str) -> None:
    with pytest.raises(ContentError):
        Landing(root, RING).put("../elsewhere", [b"x"])
