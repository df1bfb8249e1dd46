"""Comparing models: what a result cost."""
