"""Methods of anomaly detection: a folder each, made of `components`; `lightning` is anomalib."""
