"""What decides the files of made data, and the manifest by which a folder is claimed for them.

Of the procedural dataset, and of benchmarks from meshes. Apart from the modules that make them, so
that a plan of what is to be made needs no numpy. A category appears whole or not: several processes
may work on one root, and a killed one leaves nothing half done.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from plane_anomalib.core.errors import ConfigurationError, DatasetError

PROCEDURAL_VERSION, MESH_VERSION = 1, 1
"""Raised whenever the same specification (and mesh) would give other files."""
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
        _check_whole(self, lowest)
        _check_within(self, {"variation": (0, 0.02), "noise": (0, 0.02)})

    def manifest(self) -> dict[str, object]:
        """What the root's manifest says."""
        return {"generator": "procedural_shapes", "version": PROCEDURAL_VERSION, **asdict(self)}

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


SHAPENET_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "bending": "bend",
        "broken": "broken",
        "bulge": "bulge",
        "concavity": "concavity",
        "crak": "crack",
        "hole": "hole",
        "scratch": "scratch",
    }
)
"""Name in the files of Anomaly-ShapeNet (`crak` is its spelling) to the kind."""

_FINEST, _COARSEST = 400, 64
_USUAL = {
    "seed": 0,
    "num_templates": 4,
    "variation": 0.002,
    "noise": 0.0005,
    "outliers": 0.0,
    "defect_size": 1.0,
    "resolution": 224,
}


@dataclass(frozen=True)
class Conventions:
    """Those of one of the public benchmarks.

    Attributes:
        kinds: Kind of defect by the name that its files carry, to the key of `KINDS`.
        truth: Folder of the ground truth.
        one_sided: Tests show one side, in any pose; templates are complete.
        extent: Largest side of an object, in the units of the files.
        num_points: Mean number of points of a test cloud.
        template_points: Mean number of points of a template.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        delimiter: Between the columns of a ground-truth file.
    """

    kinds: Mapping[str, str]
    truth: str
    one_sided: bool
    extent: float
    num_points: int
    template_points: int
    num_good: int
    num_per_defect: int
    delimiter: str


LAYOUTS = {
    "anomaly-shapenet": Conventions(SHAPENET_KINDS, "GT", False, 1.0, 15_000, 15_000, 8, 2, ","),
    "real3d-ad": Conventions(
        {"bulge": "bulge", "sink": "concavity"}, "gt", True, 30.0, 20_000, 60_000, 8, 4, " "
    ),
}
"""Layout by name."""


@dataclass(frozen=True)
class MeshSpec:
    """Everything besides the meshes that decides the files' bytes; see `create`.

    Attributes:
        layout: A key of `LAYOUTS`.
        seed: Of the specimens, the samples, the defects and the views.
        num_points: Mean number of points of a test cloud; each has 0.8 to 1.2 times as many.
        template_points: The same for templates.
        num_templates: Templates per category.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Root mean square of each specimen's smooth deviation, in extents.
        noise: Standard deviation of the scanner's noise, in extents.
        outliers: Share of points whose noise is ten times as large.
        defect_size: Share of anomalous points, in terms of the usual one.
        extent: Largest side of the objects in the files' units (Real3D-AD: millimetres).
        resolution: Steps of the distance grid along the largest side.

    Raises:
        ConfigurationError: A value cannot work.
    """

    layout: str
    seed: int
    num_points: int
    template_points: int
    num_templates: int
    num_good: int
    num_per_defect: int
    variation: float
    noise: float
    outliers: float
    defect_size: float
    extent: float
    resolution: int

    @classmethod
    def create(cls, layout: str, **given: float | None) -> MeshSpec:
        """A specification in which everything not given, or None, is as usual for the layout.

        Args:
            layout: A key of `LAYOUTS`.
            **given: Attributes by name.

        Raises:
            ConfigurationError: The layout is unknown, or a value cannot work.
        """
        if layout not in LAYOUTS:
            close = difflib.get_close_matches(layout, LAYOUTS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            msg = f"layout must be {' or '.join(LAYOUTS)}, not {layout!r}.{hint}"
            raise ConfigurationError(msg)
        usual = {
            name: getattr(LAYOUTS[layout], name)
            for name in ("num_points", "template_points", "num_good", "num_per_defect", "extent")
        }
        values: dict[str, Any] = {**_USUAL, **usual}
        values |= {name: value for name, value in given.items() if value is not None}
        return cls(layout=layout, **values)

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "num_templates": 2, "num_good": 1, "num_per_defect": 1}
        lowest |= {"num_points": FEWEST_POINTS, "template_points": FEWEST_POINTS}
        _check_whole(self, lowest | {"resolution": _COARSEST})
        within = {"variation": (0, 0.02), "noise": (0, 0.02), "outliers": (0, 0.1)}
        _check_within(self, within | {"defect_size": (0.1, 4), "resolution": (0, _FINEST)})
        if not (math.isfinite(self.extent) and self.extent > 0):
            msg = f"extent must be a positive length, not {self.extent!r}."
            raise ConfigurationError(msg)

    @property
    def conventions(self) -> Conventions:
        """The layout itself."""
        return LAYOUTS[self.layout]

    def manifest(self) -> dict[str, object]:
        """What the root's manifest says."""
        return {"generator": "mesh_benchmark", "version": MESH_VERSION, **asdict(self)}


def _check_whole(spec: object, lowest: Mapping[str, int]) -> None:
    for name, low in lowest.items():
        value = getattr(spec, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            msg = f"{name} must be a whole number of at least {low}, not {value!r}."
            raise ConfigurationError(msg)


def _check_within(spec: object, limits: Mapping[str, tuple[float, float]]) -> None:
    for name, (least, most) in limits.items():
        if not least <= getattr(spec, name) <= most:
            msg = f"{name} must be between {least} and {most}, not {getattr(spec, name)!r}."
            raise ConfigurationError(msg)


MANIFEST = "manifest.json"


def is_empty(home: Path) -> bool:
    """Whether nothing is there yet: no folder, or one without content."""
    return not home.exists() or (home.is_dir() and not any(home.iterdir()))


def manifest_in(home: Path) -> object:
    """What a folder's manifest says; None without a readable one."""
    try:
        return json.loads((home / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def claim(home: Path, manifest: Mapping[str, object]) -> bool:
    """Start a folder with a manifest if it is empty; the first of several processes wins.

    Args:
        home: The folder.
        manifest: Plain data.

    Returns:
        Whether the folder now holds this very manifest; one with another is left alone.

    Raises:
        DatasetError: The folder cannot be written.
    """
    if is_empty(home):
        _start(home, manifest)
    return manifest_in(home) == manifest


@contextmanager
def in_place(home: Path, name: str) -> Iterator[Path]:
    """Give a path to make a folder at; move it to `home / name` when all went well.

    Args:
        home: The root.
        name: The folder's name in it.

    Yields:
        A path that does not exist yet, on the same file system.

    Raises:
        DatasetError: The folder cannot be moved there.
    """
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home) as temporary:
        made = Path(temporary) / name
        yield made
        try:
            made.rename(home / name)
        except OSError as error:
            # Another process that made the same was faster.
            if not (home / name).is_dir():
                msg = f"{home / name} cannot be written: {error}; give another root."
                raise DatasetError(msg) from error


def _start(home: Path, manifest: Mapping[str, object]) -> None:
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as temporary:
            made = Path(temporary) / home.name
            made.mkdir()
            text = json.dumps(manifest, indent=2) + "\n"
            (made / MANIFEST).write_text(text, encoding="utf-8")
            os.rename(made, home)
    except OSError as error:
        if is_empty(home):
            msg = f"the data cannot be written to {home}: {error}; give another root."
            raise DatasetError(msg) from error
