"""The pages, by the people they are for."""

from exchange.console.pages import signing_in, steward
from exchange.console.places import Place

PLACES: tuple[Place, ...] = (*signing_in.PLACES, *steward.PLACES)
