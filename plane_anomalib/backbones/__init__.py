"""Frozen point and text encoders, and the weights for them."""
