"""What each viewer may see, kept true as consents, links and rules change."""
