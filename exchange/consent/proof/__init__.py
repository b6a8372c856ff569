"""The rules tried, checked, simulated and proven."""
