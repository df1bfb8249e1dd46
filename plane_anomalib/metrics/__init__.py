"""Exact, rank-based metrics on raw scores, per category and pooled.

The evaluator, which touches anomalib, is `plane_anomalib.models.lightning.evaluator`; what is here
needs numpy and scipy only.
"""
