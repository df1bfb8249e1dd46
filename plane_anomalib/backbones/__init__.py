"""Frozen point and text encoders."""
