"""Objects with made-up defects: implicit solids, sampled uniformly, written like a benchmark."""
