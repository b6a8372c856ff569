"""Connectors: one way into each partner's system, all behind one call.

A connector is called with the cursor committed last (None at first) and yields Documents and
Checkpoints. It may be abandoned at any point and called again with any cursor it has yielded: then it
yields again all that came after that one.
"""

from exchange.connectors.channels import unset_in_channels
from exchange.connectors.opening import Connector, LocalPaths, open_connector
from exchange.connectors.options import read_options, unset_names

__all__ = ["Connector", "LocalPaths", "open_connector", "read_options", "unset_in_channels", "unset_names"]
