"""Exact, rank-based metrics on raw scores."""
