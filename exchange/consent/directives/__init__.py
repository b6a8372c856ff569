"""What a person decided: FHIR Consent in normal form."""
