"""The border to anomalib: what its engine asks of a model, once for all methods."""
