import pytest

from tests.content.mapping import codes, errors, id_in, mapped, of_type, the

CLIENT = {
    "PersonalID": "H000031",
    "FirstName": "Lupe",
    "MiddleName": "",
    "LastName": "Martinez",
    "NameSuffix": "",
    "NameDataQuality": "1",
    "SSN": "900112233",
    "SSNDataQuality": "1",
    "DOB": "1971-04-12",
    "DOBDataQuality": "1",
    "Sex": "0",
    "AmIndAKNative": "0",
    "Asian": "0",
    "BlackAfAmerican": "1",
    "HispanicLatinao": "1",
    "MidEastNAfrican": "1",
    "NativeHIPacific": "0",
    "White": "0",
    "RaceNone": "",
    "VeteranStatus": "1",
    "VictimServiceProvider": "0",
    "DateCreated": "2026-02-01 10:12:00",
    "DateUpdated": "2026-02-01 10:12:00",
    "UserID": "u7",
    "DateDeleted": "",
    "ExportID": "HX1",
}
ENROLLMENT = {
    "EnrollmentID": "E000044",
    "PersonalID": "H000031",
    "ProjectID": "P2",
    "ProjectName": "North Side",
    "ProjectType": "13",
    "OrganizationID": "HEARTH",
    "VictimServiceProvider": "0",
    "EntryDate": "2026-02-01",
    "HouseholdID": "HH0031",
    "RelationshipToHoH": "1",
    "LivingSituation": "116",
    "LengthOfStay": "",
    "TimesHomelessPastThreeYears": "",
    "MonthsHomelessPastThreeYears": "",
    "DisablingCondition": "",
    "ExitDate": "2026-08-01",
    "DateCreated": "",
    "DateUpdated": "",
    "UserID": "u7",
    "DateDeleted": "",
    "ExportID": "HX1",
}
EXIT = {
    "ExitID": "X000044",
    "PersonalID": "H000031",
    "ExitDate": "2026-08-01",
    "Destination": "410",
    "OtherDestination": "",
    "DateDeleted": "",
    "OrganizationID": "HEARTH",
    "VictimServiceProvider": "0",
}
RELEASE = {
    "PersonalID": "H000031",
    "ReleaseOfInformation": "1",
    "ReleaseDate": "2026-02-01",
    "ReleaseEnd": "2027-01-31",
    "DateUpdated": "2026-02-01 10:12:00",
    "DateDeleted": "",
}
SERVICE = {
    "ServicesID": "S000201",
    "EnrollmentID": "E000044",
    "PersonalID": "H000031",
    "DateProvided": "2026-02-08",
    "RecordType": "141",
    "TypeProvided": "6",
    "OrganizationID": "HEARTH",
    "VictimServiceProvider": "0",
    "DateCreated": "",
    "DateUpdated": "",
    "UserID": "u7",
    "DateDeleted": "",
    "ExportID": "HX1",
}


def test_a_client_becomes_a_patient_with_race_and_ethnicity():
    found = mapped("hearth_housing", "clients", CLIENT)

    patient = the(found, "Patient")
    race, ethnicity = (extension["extension"] for extension in patient["extension"])
    assert errors(found) == []
    assert patient["id"] == id_in("hearth_housing", "Patient", "H000031")
    assert patient["identifier"][1]["value"] == "900-11-2233"
    assert [part["valueCoding"]["code"] for part in race[:-1]] == ["2054-5", "2118-8"]
    assert ethnicity[0]["valueCoding"]["code"] == "2135-2"


def test_a_client_without_name_and_sex_says_that_they_are_unknown():
    found = mapped("hearth_housing", "clients", {**CLIENT, "FirstName": "", "LastName": "", "Sex": "99"})

    patient = the(found, "Patient")
    assert patient["name"][0]["extension"][0]["valueCode"] == "unknown"
    assert patient["gender"] == "unknown"
    assert errors(found) == []


@pytest.mark.parametrize(("answer", "status"), [("1", "active"), ("0", "rejected"), ("99", "proposed")])
def test_the_release_of_information_is_a_consent_that_only_a_signature_makes_active(answer, status):
    found = mapped("hearth_housing", "releases", {**RELEASE, "ReleaseOfInformation": answer})

    consent = the(found, "Consent")
    assert consent["id"] == id_in("hearth_housing", "Consent", "H000031")
    assert consent["status"] == status
    assert ("provision" in consent) is (answer == "1")
    assert errors(found) == []


def test_an_enrollment_is_an_episode_with_the_housing_before_and_after():
    found = mapped("hearth_housing", "enrollments", ENROLLMENT)
    left = mapped("hearth_housing", "exits", EXIT)

    episode, (before,), (after,) = (
        the(found, "EpisodeOfCare"),
        of_type(found, "Observation"),
        of_type(left, "Observation"),
    )
    assert episode["period"] == {"start": "2026-02-01", "end": "2026-08-01"}
    assert codes(before["code"]) == codes(after["code"]) == ["71802-3"]
    assert codes(before["valueCodeableConcept"]) == ["LA30190-5", "116"]
    assert codes(after["valueCodeableConcept"]) == ["LA30189-7", "410"]
    assert errors(found) == []


def test_an_answer_that_was_refused_is_a_reason_and_no_value():
    found = mapped("hearth_housing", "enrollments", {**ENROLLMENT, "LivingSituation": "9", "ExitDate": ""})

    (before,) = of_type(found, "Observation")
    assert codes(before["dataAbsentReason"]) == ["asked-declined", "9"]
    assert "valueCodeableConcept" not in before
    assert errors(found) == []


def test_a_service_is_a_procedure_and_a_deleted_one_is_gone():
    found = mapped("hearth_housing", "services", SERVICE)
    gone = mapped("hearth_housing", "services", {**SERVICE, "DateDeleted": "2026-03-01 00:00:00"})

    procedure = the(found, "Procedure")
    assert procedure["code"]["coding"][0]["display"] == "Case management"
    assert errors(found) == []
    assert gone.deleted == (f"Procedure/{procedure['id']}",)
