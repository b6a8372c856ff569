"""What each partner sends: one module per partner, from histories to bytes as its system would write them."""
