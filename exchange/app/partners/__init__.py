"""What is asked about participants: bringing one on, how they do, what they give and draw."""
