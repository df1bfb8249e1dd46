"""Exact, rank-based metrics on raw scores, per category and pooled.

The evaluator, which touches anomalib, is `plane_anomalib.models.lightning.evaluator`; the functions
below need numpy and scipy only.
"""

from plane_anomalib.metrics.aupro import au_pro, find_regions
from plane_anomalib.metrics.functional import BinaryMetrics, binary_metrics

__all__ = ["BinaryMetrics", "au_pro", "binary_metrics", "find_regions"]
