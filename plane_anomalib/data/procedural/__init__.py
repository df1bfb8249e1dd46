"""Objects with made-up defects: implicit solids, sampled uniformly, in the Anomaly-ShapeNet layout."""
