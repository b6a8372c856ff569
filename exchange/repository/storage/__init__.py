"""What is stored: rows, versions and the index that searches use."""
