"""What every room stands on: errors, files, typed data, provenance, the registry."""
