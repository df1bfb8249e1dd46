"""The published categories of Anomaly-ShapeNet (version 2)."""

from __future__ import annotations

CATEGORIES_40 = (
    *("ashtray0", "bag0", "bottle0", "bottle1", "bottle3", "bowl0", "bowl1", "bowl2", "bowl3"),
    *("bowl4", "bowl5", "bucket0", "bucket1", "cap0", "cap3", "cap4", "cap5", "cup0", "cup1"),
    *("eraser0", "headset0", "headset1", "helmet0", "helmet1", "helmet2", "helmet3", "jar0"),
    *("microphone0", "shelf0", "tap0", "tap1", "vase0", "vase1", "vase2", "vase3", "vase4"),
    *("vase5", "vase7", "vase8", "vase9"),
)
"""The categories of the papers' tables, in the folder `pcd`."""

CATEGORIES_NEW = (
    *("cabinet0", "cap1", "cap2", "chair0", "cup2", "desk0", "knife0", "knife1", "microphone1"),
    *("screen0", "vase10", "vase6"),
)
"""The twelve of version 2, in the folder `new_pcd`."""
