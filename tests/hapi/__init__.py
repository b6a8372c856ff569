"""HAPI FHIR's JPA server from Maven Central, run beside the exchange: a server nobody here wrote."""
