"""Makes the weights of the built-in point-language model from nothing but what we may ship.

Nothing here imports anomalib or lightning, so that it runs on any machine with torch:
`plane-anomalib pretrain --config configs/pretrain/builtin.yaml`.
"""
