"""Sweeps: many models on many data, run once, reported together."""
