import tarfile
from pathlib import Path

import orjson
import pytest

from exchange.model.ucum import is_ucum

CORE = Path(__file__).parents[3] / "shared/data/fhir_r4_spec/hl7.fhir.r4.core-4.0.1.tgz"


@pytest.mark.parametrize(
    "code", ["10*9/L", "%{Hb}", "/[HPF]", "mg/kg/(24.h)", "m[iU]/L", "1", "[in_i]", "kg/m2", "{#}"]
)
def test_units_of_measure_are_units(code):
    assert is_ucum(code)


@pytest.mark.parametrize(
    "code", ["x10E3", "cells", "mg/", "(mg", "mg//dL", "MG/DL", "[lb]", "beats/min", "m-"]
)
def test_what_people_write_instead_is_not(code):
    assert not is_ucum(code)


@pytest.mark.external
@pytest.mark.skipif(not CORE.exists(), reason="the R4 package is not here")
def test_every_common_unit_that_fhir_lists_is_a_unit():
    with tarfile.open(CORE) as archive:
        common = orjson.loads(archive.extractfile("package/ValueSet-ucum-common.json").read())

    codes = [concept["code"] for part in common["compose"]["include"] for concept in part["concept"]]

    assert len(codes) > 1000
    assert [code for code in codes if not is_ucum(code)] == []
