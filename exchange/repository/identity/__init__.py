"""The identity index: links between Patients and the persons they form."""
