"""Point-cloud data: items and batches, file formats, datasets."""
