"""The pages, by the people they are for."""

from exchange.console.pages import (
    activating,
    capturing,
    coalition,
    engineer,
    log,
    maps,
    officer,
    own,
    rules,
    signing_in,
    steward,
    subscriptions,
    suspensions,
    unusual,
    why,
    workforce,
    worklists,
)
from exchange.console.places import Place

PLACES: tuple[Place, ...] = (
    *signing_in.PLACES,
    *maps.PLACES,
    *engineer.PLACES,
    *steward.PLACES,
    *officer.PLACES,
    *why.PLACES,
    *capturing.PLACES,
    *worklists.PLACES,
    *unusual.PLACES,
    *workforce.PLACES,
    *suspensions.PLACES,
    *log.PLACES,
    *rules.PLACES,
    *activating.PLACES,
    *own.PLACES,
    *subscriptions.PLACES,
    *coalition.PLACES,
)
