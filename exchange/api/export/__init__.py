"""Bulk Data export: kick-off, status, files, and the worker that writes them.

https://hl7.org/fhir/uv/bulkdata/export.html
"""
