"""Who may see what: labels, directives, rules and the one decision over them.

Pure: no clock, no randomness, no I/O; content, time and participants come in as arguments.
"""

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import boundaries, decide, intervals
from exchange.consent.directives import Directive
from exchange.consent.emergency import missing_emergency_fields
from exchange.consent.labelling import Source, label, label_all
from exchange.consent.matching import Surroundings, matched
from exchange.consent.narrative import without_free_text
from exchange.consent.participants import Participant, participant
from exchange.consent.profiles import Profile, origins, profile
from exchange.consent.reading import directive
from exchange.consent.rendering import redact, with_security
from exchange.consent.rules import Rules, parse_rules
from exchange.consent.standing import REPOSITORY
from exchange.consent.suspension import identity_hold, suspension

__all__ = [
    "REPOSITORY",
    "Context",
    "Directive",
    "DisclosureClass",
    "Participant",
    "Profile",
    "Rules",
    "Source",
    "Surroundings",
    "boundaries",
    "decide",
    "directive",
    "identity_hold",
    "intervals",
    "label",
    "label_all",
    "matched",
    "missing_emergency_fields",
    "origins",
    "parse_rules",
    "participant",
    "profile",
    "redact",
    "suspension",
    "with_security",
    "without_free_text",
]
