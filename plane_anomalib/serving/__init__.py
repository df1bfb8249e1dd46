"""A detector behind HTTP: a cloud file comes in, what the detector says of it goes out."""
