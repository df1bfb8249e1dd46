"""Made-up clouds for the tests of pictures and pages."""

import numpy as np

from plane_anomalib.web.shown_cloud import ShownCloud


def scored_sphere(
    generator: np.random.Generator, num: int = 1500, *, name: str = "ball", **known: object
) -> ShownCloud:
    """A sphere whose cap towards +x +y +z is a defect with high scores."""
    points = generator.normal(size=(num, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    truth = points @ np.ones(3) / np.sqrt(3) > 0.8
    scores = (generator.uniform(0.0, 0.4, num) + 0.6 * truth).astype(np.float32)
    fields = {
        "category": "balls",
        "defect": "bulge",
        "path": f"/data/balls/{name}.pcd",
        "score": 0.9,
        "anomalous": True,
        "called_anomalous": True,
        "scores": scores,
        "truth": truth,
        "predicted": scores >= 0.5,
        **known,
    }
    return ShownCloud(name=name, points=(5 + 3 * points).astype(np.float32), **fields)
