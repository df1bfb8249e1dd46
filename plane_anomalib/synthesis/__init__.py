"""Synthetic defects: what PLANE is trained on."""
