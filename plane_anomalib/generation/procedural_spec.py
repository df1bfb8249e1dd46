"""What decides the files of the procedural dataset, and which of them there are.

Apart from the module that makes them, so that a plan of what is to be made needs no numpy.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.folders import manifest_in

GENERATOR_VERSION = 1
"""Raised whenever the same specification would give other files."""
FEWEST_POINTS = 1000
PROCEDURAL_CATEGORIES = (
    "beam0",
    "bottle0",
    "bowl0",
    "bracket0",
    "cup0",
    "elbow0",
    "flange0",
    "gear0",
    "hammer0",
    "hat0",
    "knot0",
    "pawn0",
    "propeller0",
    "pulley0",
    "screw0",
    "spring0",
    "stool0",
    "vase0",
    "wrench0",
)
"""As the Anomaly-ShapeNet layout spells them: the names of `NOMINAL_OBJECTS`."""


@dataclass(frozen=True)
class ProceduralSpec:
    """Everything that decides the files' bytes.

    Attributes:
        seed: Of the shapes' variation, the samples and the defects.
        num_points: Mean number of points of a cloud; each cloud has 0.8 to 1.2 times as many.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Standard deviation of each cloud's scale along each axis (0.002: 0.2 %).
        noise: Standard deviation of the sensor noise, in extents.

    Raises:
        ConfigurationError: A value cannot work.
    """

    seed: int
    num_points: int
    num_good: int
    num_per_defect: int
    variation: float
    noise: float

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "num_points": FEWEST_POINTS, "num_good": 1, "num_per_defect": 1}
        for name, low in lowest.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                msg = f"{name} must be a whole number of at least {low}, not {value!r}."
                raise ConfigurationError(msg)
        for name in ("variation", "noise"):
            if not 0 <= getattr(self, name) <= 0.02:
                msg = f"{name} must be between 0 and 0.02, not {getattr(self, name)!r}."
                raise ConfigurationError(msg)

    def manifest(self) -> dict[str, object]:
        """What the root's manifest says."""
        return {"generator": "procedural_shapes", "version": GENERATOR_VERSION, **asdict(self)}

    def digest(self) -> str:
        """Ten hexadecimal digits of the manifest's hash."""
        text = json.dumps(self.manifest(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def beside(self, root: Path) -> Path:
        """The neighbour of a root that holds something else, named by the specification's hash."""
        return root.with_name(f"{root.name}-{self.digest()}")


def finished_categories(root: Path, spec: ProceduralSpec) -> list[str]:
    """The categories that are there already, with this specification; nothing is made.

    Args:
        root: As in `ensure_dataset`.
        spec: How the dataset should be made.
    """
    for home in (root, spec.beside(root)):
        if manifest_in(home) == spec.manifest():
            return [name for name in PROCEDURAL_CATEGORIES if (home / name).is_dir()]
    return []
