"""Methods of anomaly detection: plain torch in `components` and a folder each, anomalib in `lightning`."""
