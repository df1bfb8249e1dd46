"""Published weights: which there are, where they lie, and how they get here.

Nothing in here imports torch; what is in the files is the business of `backbones`.
"""

from plane_anomalib.backbones.weights.catalogue import CATALOGUE, find
from plane_anomalib.backbones.weights.entry import Entry, HubFile
from plane_anomalib.backbones.weights.store import (
    converted_path,
    missing,
    pin_of,
    usable_path,
    write_pin,
)

__all__ = [
    "CATALOGUE",
    "Entry",
    "HubFile",
    "converted_path",
    "find",
    "missing",
    "pin_of",
    "usable_path",
    "write_pin",
]
