"""A deployment as its operator keeps it: examined, backed up, restored."""
