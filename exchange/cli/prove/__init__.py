"""`exchange prove`: claims about this exchange that a machine can try to refute."""

from exchange.cli.prove.command import app

__all__ = ["app"]
