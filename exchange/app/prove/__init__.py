"""Law 3 tried by random requests: what is asked, of whom, and what differs."""
