"""The same size and seed give the same bytes in every partner's system."""

import sqlite3
from hashlib import sha256

from exchange.synthetic import generate
from exchange.synthetic.day import write_day


def contents(folder):
    """Digest by relative path; a database counts by its rows."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".sqlite":
            rows = sqlite3.connect(path).execute("SELECT * FROM resource ORDER BY type, id").fetchall()
            found[str(path.relative_to(folder))] = sha256(repr(rows).encode()).hexdigest()
        elif path.is_file() and "sqlite" not in path.suffix:
            found[str(path.relative_to(folder))] = sha256(path.read_bytes()).hexdigest()
    return found


def written(folder, **options):
    write_day(generate(**options), folder)
    return contents(folder)


def test_one_seed_gives_one_coalition_to_the_byte(tmp_path):
    first = written(tmp_path / "a", size=120, seed=9)

    assert first == written(tmp_path / "b", size=120, seed=9)


def test_another_seed_gives_another_coalition(tmp_path):
    first, second = written(tmp_path / "a", size=60, seed=1), written(tmp_path / "b", size=60, seed=2)

    assert first["truth/persons.csv"] != second["truth/persons.csv"]


def test_nothing_unfinished_is_left_behind(first_day):
    names = [path.name for path in first_day.partners.rglob("*")]

    assert not [name for name in names if name.endswith((".part", ".spool"))]
