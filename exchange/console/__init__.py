"""Pages for the people of the exchange: data engineer, partner, privacy officer, match steward, coalition.

The console shows and passes on; it decides nothing. What it does goes through exchange.app, as the command
line's does. Pages are rendered here and work without JavaScript.
"""

from exchange.console.app import create_console
from exchange.console.desk import Desk, OpenIdProvider

__all__ = ["Desk", "OpenIdProvider", "create_console"]
