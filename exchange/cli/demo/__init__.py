"""`exchange demo`: the main job from end to end, on a synthetic coalition."""

from exchange.cli.demo.command import app

__all__ = ["app"]
