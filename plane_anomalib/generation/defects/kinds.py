"""The kinds of defects, whatever they are made on: clouds, implicit surfaces, batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class DefectKind:
    """What is true of a kind of defect wherever it is made.

    Attributes:
        words: What it is called, without an article.
        outward: 1 where it raises the surface, -1 where it sinks it, 0 where it does neither, or
            either.
        usual_share: The share of anomalous points that half of the clouds of Anomaly-ShapeNet
            with this defect stay below; not a number where it has none.
    """

    words: tuple[str, ...]
    outward: int = 0
    usual_share: float = math.nan


KINDS: Mapping[str, DefectKind] = MappingProxyType(
    {
        "bulge": DefectKind(("bulge", "bump", "swelling"), 1, 0.028),
        "dent": DefectKind(("dent", "depression", "concavity"), -1),
        "ridge": DefectKind(("ridge", "raised seam", "bead"), 1),
        "trench": DefectKind(("groove", "trench", "furrow"), -1),
        "hole": DefectKind(("hole", "missing patch", "puncture"), 0, 0.005),
        "broken": DefectKind(("broken part", "missing part", "broken edge"), 0, 0.003),
        "crater": DefectKind(("crater", "pit", "impact mark")),
        "ripple": DefectKind(("ripple", "waviness", "wrinkle")),
        "shear": DefectKind(("shear", "drag mark", "smeared spot")),
        "flat_spot": DefectKind(("flat spot", "flattened area"), -1),
        "lump": DefectKind(("lump", "rough patch", "burr"), 1),
        "scratch": DefectKind(("scratch", "scrape", "cut"), -1, 0.009),
        "crack": DefectKind(("crack", "fracture", "split"), -1, 0.005),
        "concavity": DefectKind(("concavity", "hollow", "sink mark"), -1, 0.019),
        "step": DefectKind(("step", "offset")),
        "bend": DefectKind(("bend", "bent part"), 0, 0.032),
    }
)
"""Every kind by name. Each maker of defects knows some of them: `ano3d`, `point_defects`,
`field_defects`, `batched`."""

BATCHED_KINDS = (
    "bulge", "dent", "ridge", "trench", "hole", "broken", "crater", "ripple", "shear", "flat_spot",
    "lump", "scratch", "crack",
)  # fmt: skip
"""Keys of `KINDS` that `batched` makes, by number."""
