"""Colours, pictures and interactive pages."""
