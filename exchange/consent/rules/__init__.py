"""Law and agreement: the content of `consent/`, checked and compiled."""
