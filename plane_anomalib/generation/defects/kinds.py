"""The kinds of defects."""

from __future__ import annotations

#: What each kind of defect is called.
KIND_WORDS: dict[str, tuple[str, ...]] = {
    "bulge": ("bulge", "bump", "swelling"),
    "dent": ("dent", "depression", "concavity"),
    "ridge": ("ridge", "raised seam", "bead"),
    "trench": ("groove", "trench", "furrow"),
    "hole": ("hole", "missing patch", "puncture"),
    "broken": ("broken part", "missing part", "broken edge"),
    "crater": ("crater", "pit", "impact mark"),
    "ripple": ("ripple", "waviness", "wrinkle"),
    "shear": ("shear", "drag mark", "smeared spot"),
    "flat": ("flat spot", "flattened area"),
    "lump": ("lump", "rough patch", "burr"),
    "scratch": ("scratch", "scrape", "cut"),
    "crack": ("crack", "fracture", "split"),
}
