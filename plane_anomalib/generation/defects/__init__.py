"""Synthetic defects: of clouds point by point, of implicit surfaces, of batches on a device."""
