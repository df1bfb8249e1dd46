"""One module per family of file formats; `plane_anomalib.data.io` is the only caller."""
