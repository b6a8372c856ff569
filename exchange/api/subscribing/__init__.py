"""FHIR Subscriptions that clients make: the R5 Backport on R4, over rest-hook."""
