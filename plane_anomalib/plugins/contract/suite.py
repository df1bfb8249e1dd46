"""The checks in the order in which they run."""

from __future__ import annotations

from plane_anomalib.plugins.contract import declaration, memory, runs, scoring

CHECKS = {
    check.name: check
    for check in (
        declaration.name,
        declaration.arguments,
        declaration.untrained,
        declaration.images,
        runs.training,
        scoring.every_point,
        scoring.permutation,
        scoring.duplicate_points,
        scoring.batch_company,
        scoring.tiny_clouds,
        scoring.degenerate_clouds,
        scoring.extents,
        scoring.pure_scoring,
        scoring.random_state,
        declaration.steps,
        declaration.empty_cloud,
        declaration.export,
        runs.thresholds,
        runs.per_category,
        runs.checkpoint,
        runs.tested_again,
        runs.prediction,
        runs.seed,
        declaration.components,
        memory.bounded_memory,
    )
}
"""Name to check. What concerns the class itself comes before what needs a trained model."""
