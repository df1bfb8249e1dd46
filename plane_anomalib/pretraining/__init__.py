"""Pretraining of the small point-language model on procedural, captioned shapes."""
