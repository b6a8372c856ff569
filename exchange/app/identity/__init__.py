"""The match steward's work: pairs, decisions, models."""
