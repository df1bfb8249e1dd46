"""Find a dataset's folders and files, whatever level of the tree the user points at."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from plane_anomalib.core.errors import DatasetError, PointCloudFileError

logger = logging.getLogger(__name__)

TEXT_SUFFIXES = frozenset(
    {".xyz", ".txt", ".csv", ".asc", ".pts", ".xyzn", ".xyzrgb", ".xyzi", ".neu"}
)
POINT_SUFFIXES = TEXT_SUFFIXES | {".pcd", ".ply", ".ptx", ".npy", ".npz"}
MESH_SUFFIXES = frozenset({".obj", ".stl", ".off", ".ply"})
SUFFIXES = POINT_SUFFIXES | MESH_SUFFIXES

_CAD = ("is a CAD model, not a scan", "export a mesh of it as .stl or .obj")
_LASER = ("is a scanner's own file, which is not read", "export the cloud as .ply or .xyz from the "
          "scanner's program")  # fmt: skip
_SCENE = ("is a scene, which is not read", "export its mesh as .stl, .obj or .ply")
_IMAGE = ("is an image, which is not read", "save its heights as .npy or .csv and give --pitch, or "
          "its points as an (H, W, 3) array in .npy")  # fmt: skip
OTHER_MODELS = {
    **dict.fromkeys((".step", ".stp", ".igs", ".iges", ".sat", ".x_t", ".brep"), _CAD),
    **dict.fromkeys((".sldprt", ".prt", ".ipt", ".catpart", ".dwg", ".dxf"), _CAD),
}
"""Suffixes of nominal models that are not read: why, and what to do."""
OTHER_SCANS = {
    ".e57": ("is an E57 file, which is not read", "export it as .ply or .pcd, such as with "
             "CloudCompare"),
    **dict.fromkeys((".las", ".laz"), ("is a LAS file, which is not read", "export it as .ply, "
                                       ".pcd or .xyz, such as with CloudCompare or PDAL")),
    ".bin": ("is a cloud of CloudCompare, or other binary data, which is not read",
             "save it as .ply"),
    **dict.fromkeys((".zdf", ".fls", ".fws", ".rcp", ".rcs", ".zfs", ".ptg", ".lsproj"), _LASER),
    **dict.fromkeys((".sdf", ".al3d", ".plux", ".sur", ".vk4", ".vk6", ".cag", ".mkd"), _LASER),
    **dict.fromkeys((".3mf", ".glb", ".gltf", ".fbx", ".dae", ".wrl", ".3ds", ".vtk", ".vtp"),
                    _SCENE),
    **dict.fromkeys((".tif", ".tiff", ".exr"), _IMAGE),
    **OTHER_MODELS,
}  # fmt: skip
"""Suffixes of scans and models that are not read: why, and what to do."""
LIKELY_SCANS = SUFFIXES | (OTHER_SCANS.keys() - OTHER_MODELS.keys() - {".bin"})
"""What is taken out of a folder of scans, so that no scan is passed over in silence."""

NORMAL_NAMES = frozenset({"good", "positive", "normal"})
TEMPLATE_NAMES = frozenset({"template", "prototype", "temp"})
_SCAN_MODIFIERS = frozenset({"cut", "copy"})
_TRUTH_FOLDERS = frozenset({"gt", "ground_truth"})
# Below a category: a root that is one of them points at the category above it.
_INNER_FOLDERS = frozenset({"train", "test", "gt", "good", "pointcloud"})
# Enough for <download folder>/Anomaly-ShapeNet-v2/dataset/pcd.
_SEARCH_DEPTH = 3


@dataclass(frozen=True)
class CategoryLayout:
    """How to tell a category's folder.

    Attributes:
        suffixes: Of its clouds, in lower case and with their dot.
        places: Folders of clouds below it, in lower case; one of them that holds a cloud will do.
    """

    suffixes: frozenset[str]
    places: tuple[str, ...] = ("train", "test")


PCD_LAYOUT = CategoryLayout(frozenset({".pcd"}))
"""Anomaly-ShapeNet's and Real3D-AD's."""

MULSEN_LAYOUT = CategoryLayout(frozenset({".stl"}), ("pointcloud/train", "pointcloud/test/good"))
"""MulSen-AD's."""

MINISHIFT_LAYOUT = CategoryLayout(frozenset({".txt"}), ("train/good", "test/good"))
"""MiniShift's."""

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


def defect_from_stem(path: Path) -> str:
    """Read the kind of defect from a cloud's file name.

    Only the name counts, never the folders above it: a root called `/data/goods_template` must
    change nothing. Both benchmarks put the kind last, followed by a number (`bowl0_bulge3`) or by
    how the scan was edited (`62_sink_cut`).

    Args:
        path: The cloud's file.

    Returns:
        `"good"` for a normal cloud, templates included, else the defect as spelt in the name.

    Raises:
        PointCloudFileError: The name has no kind in it.
    """
    tokens = path.stem.lower().split("_")
    while len(tokens) > 1 and re.sub(r"\d+$", "", tokens[-1]) in _SCAN_MODIFIERS:
        tokens.pop()
    kind = re.sub(r"\d+$", "", tokens[-1])
    if len(tokens) < 2 or not kind.isalpha():
        raise PointCloudFileError(
            path,
            "the file name does not say whether the cloud is good or which defect it has",
            "expected names like bowl0_positive3.pcd, bowl0_bulge1.pcd or 62_sink_cut.pcd",
        )
    return "good" if kind in NORMAL_NAMES | TEMPLATE_NAMES else kind


def child_directories(directory: Path) -> list[Path]:
    """The folders in a folder, sorted; hidden ones and links that lead out are left out."""
    try:
        entries = [p for p in directory.iterdir() if not p.name.startswith(".") and p.is_dir()]
    except PermissionError:
        return []
    home = directory.resolve()
    return sorted(p for p in entries if not p.is_symlink() or p.resolve().is_relative_to(home))


def child_directory(parent: Path, name: str) -> Path | None:
    """The folder `name` in `parent`, in any case (`GT`, `gt`), or `None`.

    Args:
        parent: An existing folder.
        name: The name in lower case.

    Raises:
        DatasetError: Two folders differ in case only.
    """
    found = [child for child in child_directories(parent) if child.name.lower() == name]
    if len(found) > 1:
        listing = " and ".join(repr(child.name) for child in found)
        msg = f"{parent} holds {listing}; keep one of them."
        raise DatasetError(msg)
    return found[0] if found else None


def list_files(directory: Path, suffixes: Collection[str], *, inside: Path) -> list[Path]:
    """The files of a folder with one of the suffixes, sorted by name.

    Hidden files are left out, and so are symbolic links that lead out of `inside`: a dataset from
    elsewhere must not make the loader read other files of this machine.

    Args:
        directory: The folder; it need not exist.
        suffixes: Lower-case suffixes with their dot.
        inside: The dataset's root.

    Returns:
        The files, sorted.
    """
    if not directory.is_dir():
        return []
    names = (p for p in directory.iterdir() if p.suffix.lower() in suffixes)
    files = sorted(p for p in names if not p.name.startswith(".") and p.is_file())
    home = inside.resolve()
    kept = [p for p in files if p.resolve().is_relative_to(home)]
    if len(kept) < len(files):
        logger.warning(
            "%s: %d links that lead out of %s are not followed; copy the files instead.",
            directory,
            len(files) - len(kept),
            inside,
        )
    return kept


def is_category(directory: Path, layout: CategoryLayout) -> bool:
    """Whether a folder has a cloud in one of the places of the layout."""
    return any(
        _holds_file(folder, layout.suffixes)
        for place in layout.places
        for folder in _descend(directory, place)
    )


def _descend(directory: Path, place: str) -> list[Path]:
    """The folders at a place below a folder; several if names differ in case only."""
    level = [directory]
    for name in place.split("/"):
        level = [c for folder in level for c in child_directories(folder) if c.name.lower() == name]
    return level


def find_collections(root: Path, layout: CategoryLayout) -> tuple[list[Path], str | None]:
    """Find the folders whose children are categories, near `root`.

    Args:
        root: The folder that the user gave: the collection itself, one of its categories or their
            `train`/`test`/`GT` folder (too low), or up to three levels above it (too high).
        layout: What a category looks like.

    Returns:
        The collections of the highest level that has any, sorted, and the category pointed at if
        the root was too low.

    Raises:
        DatasetError: The root is missing or no folder, or nothing in it looks like the dataset.
    """
    if not root.exists():
        msg = f"the dataset root {root} does not exist."
        raise DatasetError(msg)
    if not root.is_dir():
        msg = f"the dataset root {root} is a file, not a folder."
        raise DatasetError(msg)
    for folder in _at_and_above(root):
        if is_category(folder, layout):
            return [folder.parent], folder.name
    level = [root]
    for _ in range(_SEARCH_DEPTH + 1):
        if found := [f for f in level if any(is_category(c, layout) for c in child_directories(f))]:
            return found, None
        level = [child for folder in level for child in child_directories(folder)]
    msg = (
        f"no category with {'/'.join(sorted(layout.suffixes))} clouds in its "
        f"{' or '.join(layout.places)} folder was found in {root} or three levels below (it "
        f"holds: {contents(root)})."
    )
    raise DatasetError(msg)


def contents(directory: Path) -> str:
    """What a folder holds, in a few words for an error."""
    names = sorted(child.name for child in directory.iterdir())
    listing = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    reachable = {child.name for child in child_directories(directory)}
    hidden = [c for c in directory.iterdir() if c.is_symlink() and c.name not in reachable]
    links = f"; {len(hidden)} links that lead out of it are not followed" if hidden else ""
    return (listing or "nothing") + links


def list_categories(collection: Path, layout: CategoryLayout) -> dict[str, Path]:
    """The category folders of a collection by name, sorted."""
    return {c.name: c for c in child_directories(collection) if is_category(c, layout)}


def only_collection(found: Iterable[Path], preferred: str, root: Path) -> Path:
    """Choose among several collections: the single one, or the single one of the given name.

    Raises:
        DatasetError: More than one fits.
    """
    candidates = list(found)
    named = [path for path in candidates if path.name.lower() == preferred]
    fitting = named or candidates
    if len(fitting) > 1:
        listing = ", ".join(str(path) for path in fitting)
        msg = f"{root} holds several copies of the dataset; set root to one of: {listing}."
        raise DatasetError(msg)
    return fitting[0]


def _at_and_above(root: Path) -> Iterator[Path]:
    # A relative root such as "." has no usable parent.
    absolute = Path(os.path.abspath(root))
    yield absolute
    while absolute.name.lower() in _INNER_FOLDERS:
        absolute = absolute.parent
        yield absolute


def _holds_file(directory: Path, suffixes: Collection[str]) -> bool:
    return any(p.suffix.lower() in suffixes for p in directory.iterdir())


def _files_below(folder: Path) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield from (Path(directory) / name for name in sorted(names) if not name.startswith("."))


def clouds_below(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[Path]:
    """The clouds and meshes in a folder and below it, sorted, as the dataset above finds them."""
    return only_clouds(folder, _files_below(folder), suffixes)


def others_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files in a folder and below it that have none of the suffixes, ground truth left out."""
    files = [file for file in _files_below(folder) if file.suffix.lower() not in suffixes]
    return [file for file in files if not _is_truth(file.relative_to(folder))]


def only_clouds(
    folder: Path, files: Iterable[Path], suffixes: Collection[str] = SUFFIXES
) -> list[Path]:
    """Of files below a folder, the clouds and meshes that are no ground truth, sorted.

    Links that lead out of the folder are left out, with a warning.

    Args:
        folder: What was asked for.
        files: Files below it, each path beginning with the folder's.
        suffixes: Of clouds and meshes, in lower case.
    """
    home = folder.resolve()
    wanted = (file for file in files if file.suffix.lower() in suffixes)
    found = sorted(file for file in wanted if not _is_truth(file.relative_to(folder)))
    kept = [file for file in found if file.resolve().is_relative_to(home)]
    if len(kept) < len(found):
        logger.warning(
            "%s: %d links that lead out of it are not followed; copy the files instead.",
            folder,
            len(found) - len(kept),
        )
    return kept


def _is_truth(file: Path) -> bool:
    return bool({part.lower() for part in file.parts[:-1]} & _TRUTH_FOLDERS)
