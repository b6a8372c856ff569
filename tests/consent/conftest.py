from datetime import datetime
from pathlib import Path

import pytest

from exchange.consent import Context, Rules, parse_rules
from exchange.consent.dates import EXCHANGE_ZONE
from exchange.consent.proof.cases import read_cases

CONTENT = Path(__file__).parents[2] / "consent"


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    found = (path for path in CONTENT.rglob("*") if path.is_file())
    return {path.relative_to(CONTENT).as_posix(): path.read_text("utf-8") for path in found}


@pytest.fixture(scope="session")
def rules(files) -> Rules:
    return parse_rules(files)


@pytest.fixture(scope="session")
def context(files, rules) -> Context:
    return Context(rules, read_cases(files)[0])


@pytest.fixture(scope="session")
def noon() -> datetime:
    return datetime(2026, 6, 1, 12, tzinfo=EXCHANGE_ZONE)
