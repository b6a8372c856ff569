"""Source records to FHIR R4 by maps that are data."""

from exchange.mapping.carried import Statement
from exchange.mapping.load import FeedMap, Maps, load_maps, observed_maps
from exchange.mapping.origins import Origin, origin_of
from exchange.mapping.record import map_record, partner_organization, stated, trace_record

__all__ = [
    "FeedMap",
    "Maps",
    "Origin",
    "Statement",
    "load_maps",
    "map_record",
    "observed_maps",
    "origin_of",
    "partner_organization",
    "stated",
    "trace_record",
]
