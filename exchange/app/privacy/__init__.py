"""The privacy officer's work: rules in force and drafts of them, who sees what and why, what went out."""
