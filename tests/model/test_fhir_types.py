import tarfile
from pathlib import Path

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class

from exchange.model import fhir_types
from exchange.model.fhir_types import element_at, fhir_type, type_names, value_set
from exchange.validation.generate import element_table, render

SPECIFICATION = Path(__file__).parents[3] / "shared/data/fhir_r4_spec"

ONLY_IN_R4 = {
    "EffectEvidenceSynthesis",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "RiskEvidenceSynthesis",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
}
OTHERWISE_IN_R4B = {
    "ActivityDefinition": {"subjectCanonical"},
    "PlanDefinition": {"subjectCanonical"},
    "Evidence": {
        *(
            "copyright",
            "effectivePeriod",
            "exposureBackground",
            "exposureVariant",
            "jurisdiction",
            "name",
            "outcome",
        ),
        *("shortTitle", "subtitle", "topic", "assertion", "certainty", "citeAsMarkdown", "citeAsReference"),
        *("statistic", "studyType", "synthesisType", "variableDefinition"),
    },
    "EvidenceVariable": {
        *("approvalDate", "copyright", "effectivePeriod", "jurisdiction", "lastReviewDate", "topic", "type"),
        *("actual", "category", "characteristicCombination", "handling"),
    },
    "Extension": {"valueMeta", "valueCodeableReference", "valueRatioRange"},
    "ElementDefinition": {
        f"{use}{type_}"
        for use in ("defaultValue", "fixed", "pattern")
        for type_ in ("Meta", "CodeableReference", "RatioRange")
    },
}
"""Elements that one of R4 and R4B has and the other lacks, at the top of a resource or data type."""


def _elements_of_r4b(name):
    fields = get_fhir_model_class(name).model_fields
    return {f.alias or n for n, f in fields.items() if not n.endswith("__ext")} - {"fhir_comments"}


def _modelled(name):
    try:
        return bool(get_fhir_model_class(name))
    except ValueError:
        return False


def test_fhir_resources_lacks_only_the_resource_types_listed():
    assert {name for name in type_names("resource") if not _modelled(name)} == ONLY_IN_R4


@pytest.mark.parametrize("name", sorted((type_names("resource") - ONLY_IN_R4) | type_names("datatype")))
def test_the_table_has_the_elements_of_fhir_resources_except_where_r4b_differs(name):
    if not _modelled(name):
        pytest.skip("R4B has no such data type")

    ours = set(fhir_type(name).elements)

    assert ours ^ _elements_of_r4b(name) == OTHERWISE_IN_R4B.get(name, set())


def test_every_type_named_by_an_element_exists():
    for kind in ("resource", "datatype", "backbone"):
        for name in type_names(kind):
            for element in fhir_type(name).elements.values():
                assert fhir_type(element.type)
                assert element.codes is None or value_set(element.codes)


def test_a_path_goes_through_choices_backbones_and_inherited_elements():
    assert element_at("Patient.contact.name.given").list
    assert element_at("Observation.component.valueQuantity.value").type == "decimal"
    assert element_at("Condition.meta.security.code").type == "code"
    assert element_at("Encounter.location.location").targets == ("Location",)
    assert element_at("Observation.valueMoney") is None
    assert element_at("Nothing.at.all") is None


@pytest.mark.external
@pytest.mark.skipif(not SPECIFICATION.exists(), reason="the R4 packages are not here")
def test_generating_the_table_again_gives_the_same_file():
    core, expansions = (
        _package(SPECIFICATION / f"hl7.fhir.r4.{name}-4.0.1.tgz") for name in ("core", "expansions")
    )

    again = render(element_table(core, expansions))

    assert again == (Path(fhir_types.__file__).parent / "fhir_r4.json").read_bytes()


def _package(file):
    with tarfile.open(file) as archive:
        members = [m for m in archive if m.isfile() and m.name.endswith(".json")]
        read = [orjson.loads(archive.extractfile(m).read()) for m in sorted(members, key=lambda m: m.name)]
    return [resource for resource in read if "resourceType" in resource]
