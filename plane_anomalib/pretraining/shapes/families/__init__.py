"""The families, by kind."""
