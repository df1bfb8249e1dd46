"""Published weights: which there are, where they lie, and how they get here.

Nothing in here imports torch; what is in the files is the business of `backbones`.
"""
