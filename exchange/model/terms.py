"""Code systems and identifier systems by short name, each URI once.

https://terminology.hl7.org/codesystems.html, https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_US_CORE = "http://hl7.org/fhir/us/core/"

SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        # clinical vocabularies
        "loinc": "http://loinc.org",
        "snomed": "http://snomed.info/sct",
        "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
        "ucum": "http://unitsofmeasure.org",
        "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
        "icd10pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
        "icd9cm": "http://hl7.org/fhir/sid/icd-9-cm",
        "cvx": "http://hl7.org/fhir/sid/cvx",
        "mvx": "http://hl7.org/fhir/sid/mvx",
        "ndc": "http://hl7.org/fhir/sid/ndc",
        "cpt": "http://www.ama-assn.org/go/cpt",
        "hcpcs": "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "unii": "http://fdasis.nlm.nih.gov",
        "ncit": "http://ncicb.nci.nih.gov/xml/owl/EVS/owl/evs.owl",
        "cdt": "http://www.ada.org/cdt",
        "revenue": "https://www.nubc.org/CodeSystem/RevenueCodes",
        "bill_type": "https://www.nubc.org/CodeSystem/TypeOfBill",
        "discharge_status": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
        "ms_drg": (
            "http://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
            "MS-DRG-Classifications-and-Software"
        ),
        "place_of_service": (
            "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
        ),
        "hipps": (
            "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/"
            "ProspMedicareFeeSvcPmtGen/HIPPSCodes"
        ),
        "adjustment_reason": "https://x12.org/codes/claim-adjustment-reason-codes",
        "remark": "https://x12.org/codes/remittance-advice-remark-codes",
        "nucc": "http://nucc.org/provider-taxonomy",
        "bcp47": "urn:ietf:bcp:47",
        "race": "urn:oid:2.16.840.1.113883.6.238",
        # identifiers
        "npi": "http://hl7.org/fhir/sid/us-npi",
        "ssn": "http://hl7.org/fhir/sid/us-ssn",
        "ein": "urn:oid:2.16.840.1.113883.4.4",
        "uri": "urn:ietf:rfc:3986",
        # HL7 terminology
        "identifier_type": _TERMINOLOGY + "v2-0203",
        "null_flavor": _TERMINOLOGY + "v3-NullFlavor",
        "marital_status": _TERMINOLOGY + "v3-MaritalStatus",
        "role_code": _TERMINOLOGY + "v3-RoleCode",
        "act_code": _TERMINOLOGY + "v3-ActCode",
        "act_reason": _TERMINOLOGY + "v3-ActReason",
        "act_priority": _TERMINOLOGY + "v3-ActPriority",
        "confidentiality": _TERMINOLOGY + "v3-Confidentiality",
        "participation_type": _TERMINOLOGY + "v3-ParticipationType",
        "religious_affiliation": _TERMINOLOGY + "v3-ReligiousAffiliation",
        "observation_interpretation": _TERMINOLOGY + "v3-ObservationInterpretation",
        "observation_category": _TERMINOLOGY + "observation-category",
        "diagnostic_service": _TERMINOLOGY + "v2-0074",
        "condition_category": _TERMINOLOGY + "condition-category",
        "condition_clinical": _TERMINOLOGY + "condition-clinical",
        "condition_ver_status": _TERMINOLOGY + "condition-ver-status",
        "allergy_clinical": _TERMINOLOGY + "allergyintolerance-clinical",
        "allergy_verification": _TERMINOLOGY + "allergyintolerance-verification",
        "data_absent_reason": _TERMINOLOGY + "data-absent-reason",
        "discharge_disposition": _TERMINOLOGY + "discharge-disposition",
        "diagnosis_role": _TERMINOLOGY + "diagnosis-role",
        "location_physical_type": _TERMINOLOGY + "location-physical-type",
        "organization_type": _TERMINOLOGY + "organization-type",
        "contact_role": _TERMINOLOGY + "v2-0131",
        "immunization_origin": _TERMINOLOGY + "immunization-origin",
        "immunization_function": _TERMINOLOGY + "v2-0443",
        "immunization_reason": _TERMINOLOGY + "v3-ActReason",
        "consent_scope": _TERMINOLOGY + "consentscope",
        "consent_category": _TERMINOLOGY + "consentcategorycodes",
        "consent_policy": _TERMINOLOGY + "consentpolicycodes",
        "consent_action": _TERMINOLOGY + "consentaction",
        # US Core and Gravity
        "us_core_category": _US_CORE + "CodeSystem/us-core-category",
        "us_core_condition_category": _US_CORE + "CodeSystem/condition-category",
        "us_core_documentreference_category": _US_CORE + "CodeSystem/us-core-documentreference-category",
        "sdoh": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
    }
)

DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
US_CORE_PROFILE = _US_CORE + "StructureDefinition/"
_NAMED_AS_THEIR_TYPE = """
    AllergyIntolerance CarePlan CareTeam Coverage DocumentReference Encounter Goal Immunization Location
    Medication MedicationDispense MedicationRequest Organization Patient Practitioner PractitionerRole
    Procedure Provenance QuestionnaireResponse RelatedPerson ServiceRequest Specimen
"""
_OF_TYPE = {
    "Condition": "condition-encounter-diagnosis condition-problems-health-concerns",
    "Device": "implantable-device",
    "DiagnosticReport": "diagnosticreport-lab diagnosticreport-note",
    "Observation": """
        blood-pressure bmi body-height body-temperature body-weight head-circumference heart-rate
        observation-clinical-result observation-lab observation-occupation observation-pregnancyintent
        observation-pregnancystatus observation-screening-assessment observation-sexual-orientation
        pulse-oximetry respiratory-rate simple-observation smokingstatus vital-signs
    """,
}
US_CORE_PROFILES: Mapping[str, str] = MappingProxyType(
    {
        **{f"us-core-{kind.lower()}": kind for kind in _NAMED_AS_THEIR_TYPE.split()},
        **{f"us-core-{name}": kind for kind, names in _OF_TYPE.items() for name in names.split()},
    }
)
"""Profiles of US Core 6.1.0 and the resource types they constrain (https://hl7.org/fhir/us/core/STU6.1/)."""
