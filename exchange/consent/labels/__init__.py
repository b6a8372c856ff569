"""What a record reveals, and the record without it."""
