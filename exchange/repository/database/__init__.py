"""The PostgreSQL server and its schema."""
