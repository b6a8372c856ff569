"""FHIR servers of participants that hold what a viewer may see, and nothing else.

What a viewer sees changes with records, links, consents, relationships, rules and time. So each pass compares
the whole view with what the server is known to hold; only differences leave, each recorded as a disclosure.
"""
