"""One module per family of file formats; `plane_anomalib.formats.io` is the only caller."""
