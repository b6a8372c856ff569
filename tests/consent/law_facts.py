"""The facts rules may look at, put together for one atom of one request without what decision.py keeps."""

from exchange.consent.rules.conditions import Facts
from exchange.consent.rules.gates import impersonal, types_told_apart
from exchange.consent.standing import participant_of


def facts_of(cls, viewer, context, at, action, atom):
    source, requester = context.participants[cls.source], participant_of(viewer.participant, context)
    nameless_source, nameless_requester = impersonal(source, requester)
    return Facts(
        source=nameless_source,
        requester=nameless_requester,
        source_bound=source.bound_at(at),
        requester_bound=requester.bound_at(at),
        role=viewer.role,
        purpose=viewer.purpose,
        action=action,
        type=cls.type if cls.type in types_told_apart(context.rules) else "",
        about="nobody" if cls.profile is None else "person",
        confidentiality=cls.confidentiality,
        labels=frozenset(cls.labels),
        atom=atom,
    )
