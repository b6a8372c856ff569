"""Who may see what: labels, directives, rules and the one decision over them.

Pure: no clock, no randomness, no I/O; content, time and participants come in as arguments.
"""

from exchange.consent.classes import Context, DisclosureClass
from exchange.consent.decision import boundaries, decide, intervals
from exchange.consent.directives.matching import Surroundings, matched
from exchange.consent.directives.normal_form import Directive
from exchange.consent.directives.profiles import Profile, origins, profile
from exchange.consent.directives.proxies import until_of_age
from exchange.consent.directives.reading import directive
from exchange.consent.directives.suspension import identity_hold, is_suspension, suspension
from exchange.consent.emergency import missing_emergency_fields
from exchange.consent.labels.following import following, passed_on
from exchange.consent.labels.labelling import Source, label, label_all
from exchange.consent.labels.narrative import without_free_text
from exchange.consent.labels.own_care import with_own_care
from exchange.consent.labels.rendering import redact, with_security
from exchange.consent.minimum import is_left, minimum, minimum_for
from exchange.consent.participants import Participant, participant
from exchange.consent.rules.ruleset import Rules, complete_rules, parse_rules
from exchange.consent.standing import REPOSITORY

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
    "complete_rules",
    "decide",
    "directive",
    "following",
    "identity_hold",
    "intervals",
    "is_left",
    "is_suspension",
    "label",
    "label_all",
    "matched",
    "minimum",
    "minimum_for",
    "missing_emergency_fields",
    "origins",
    "parse_rules",
    "participant",
    "passed_on",
    "profile",
    "redact",
    "suspension",
    "until_of_age",
    "with_own_care",
    "with_security",
    "without_free_text",
]
