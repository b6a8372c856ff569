"""Content that is changed under a process that runs: all of it is taken up, or nothing."""

from __future__ import annotations

import pytest

from exchange.app import Current
from exchange.model.errors import ContentError
from tests.pipeline.pantry import PARTNER, make_pantry, open_pantry, write

CHANGED = PARTNER.replace("Corner Pantry", "Harbor Pantry").replace("type: DUA", "type: QSOA")


@pytest.fixture
def folder(tmp_path):
    make_pantry(tmp_path)
    return tmp_path


@pytest.fixture
def running(folder, database):
    return Current(open_pantry(folder, database))


def name(exchange):
    return exchange.partners["pantry"].organization.name


def ruling(exchange):
    with exchange.work.connect() as connection:
        return connection.execute("SELECT digest FROM ruling").fetchone()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("_shared/identity/model.json", "{"),
        ("_shared/identity/duplicates.yaml", "nonsense: true\n"),
        ("_shared/identity/placeholders.yaml", "names: ["),
    ],
)
def test_of_content_that_cannot_be_used_nothing_is_registered(folder, running, file, content):
    """Neither what is wrong nor what was changed beside it: what runs goes on under its own rules."""
    before = ruling(running())
    whole = (folder / "home/mappings" / file).read_bytes()
    write(folder, "home/mappings/pantry/partner.yaml", CHANGED.format(folder=folder / "files"))
    write(folder, f"home/mappings/{file}", content)
    running.look()
    assert isinstance(running.wrong, ContentError)
    assert file in str(running.wrong)
    assert (name(running()), ruling(running())) == ("Corner Pantry", before)
    write(folder, f"home/mappings/{file}", whole)
    running.look()
    assert (running.wrong, name(running())) == (None, "Harbor Pantry")
    assert ruling(running()) != before
