"""The content that ships, as the tests of identity use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from exchange.linkage import Features, Model, features, parse_model

_ROOT = Path(__file__).parents[2] / "mappings"


def hash_identifier(text: str) -> str:
    return sha256(b"a key for tests" + text.encode()).hexdigest()


@pytest.fixture(scope="session")
def files() -> Mapping[str, str]:
    paths = (_ROOT / "_shared" / "identity").iterdir()
    return {str(path.relative_to(_ROOT)): path.read_text("utf-8") for path in paths}


@pytest.fixture(scope="session")
def model(files: Mapping[str, str]) -> Model:
    return parse_model(files)


@pytest.fixture(scope="session")
def normalise(model: Model) -> Callable[[dict[str, Any]], Features]:
    return lambda patient: features(patient, hash_identifier, model.vocabulary)


@pytest.fixture(scope="session")
def person(normalise: Callable[[dict[str, Any]], Features]) -> Callable[..., Features]:
    """Features of a Patient told in short: given, family, born and whatever else FHIR calls it."""

    def build(given: str, family: str, born: str = "", **more: Any) -> Features:
        name = [{"given": given.split(), "family": family}]
        birth = {"birthDate": born} if born else {}
        ssn = more.pop("ssn", "")
        identifiers = more.pop("identifier", [])
        if ssn:
            identifiers = [*identifiers, {"system": "http://hl7.org/fhir/sid/us-ssn", "value": ssn}]
        phone = more.pop("phone", "")
        telecom = {"telecom": [{"system": "phone", "value": phone}]} if phone else {}
        line = more.pop("line", "")
        address = {"address": [{"line": [line], "postalCode": "62701"}]} if line else {}
        patient = {"name": name, "identifier": identifiers, **birth, **telecom, **address, **more}
        return normalise(patient)

    return build
