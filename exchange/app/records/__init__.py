"""Runs and the records in them: what came, what became of it, what maps do to it."""
