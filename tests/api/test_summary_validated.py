"""A summary of somebody is an International Patient Summary, says HL7's own validator."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from exchange.model.ids import golden_id
from tests.validation.parity import judge

IPS = "hl7.fhir.uv.ips@2.0.0"
pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(
        not all(map(shutil.which, (*judge.TOOLS, "npm"))), reason="needs a JDK, Maven and npm"
    ),
]


@pytest.fixture
def database(emptied_database):
    return emptied_database


@pytest.fixture
def classpath(tmp_path):
    found = judge.fetch(tmp_path)
    packed = subprocess.run(["npm", "pack", "--silent", IPS], cwd=tmp_path, capture_output=True, check=False)
    if found is None or packed.returncode:
        pytest.skip("the validator or the profiles cannot be fetched")
    (tmp_path / "hl7.fhir.uv.ips-2.0.0.tgz").rename(tmp_path / "ips.tgz")
    return found


def test_a_summary_is_what_ips_demands_also_of_somebody_of_whom_little_is_known(
    ask, hospital, records, classpath
):
    known = {"name": [{"family": "Kowalska"}], "gender": "female", "birthDate": "1980-02-03"}
    people = [records.patient("prairie_clinic", "p1", **known), records.patient("prairie_clinic", "p2")]
    records.observation("prairie_clinic", people[0], "o1")
    found = [ask(hospital, f"Patient/{golden_id(one)}/$summary").json() for one in people]
    assert judge.errors(found, classpath, "ips.tgz") == {}
    broken = {**found[0], "entry": [found[0]["entry"][0]]}
    assert judge.errors([broken], classpath, "ips.tgz") != {}
