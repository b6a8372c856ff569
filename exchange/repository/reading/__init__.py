"""What a viewer gets: reads, searches and everything, under row-level security."""
