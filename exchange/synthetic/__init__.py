"""The synthetic coalition: people with a known truth, and partner systems that speak their real protocols.

It stands alone: it shares with the exchange only the rule by which ids are made and the token signatures.
"""

from exchange.synthetic.coalition import Coalition, generate
from exchange.synthetic.draw import AHEAD as DAYS
from exchange.synthetic.feeds.hl7 import ZONE

__all__ = ["DAYS", "ZONE", "Coalition", "generate"]
