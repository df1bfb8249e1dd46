"""Benchmarks made from closed meshes, with the defects of the procedural dataset."""
