"""The files of everyday situations: each function writes `good` and `test` below a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from everyday_parts import (
    SPOTS,
    Cloud,
    bracket,
    casting,
    flying,
    height_map,
    listed,
    on_a_table,
    random_rotation,
    seen_by_a_camera,
)


def write(file: Path, points: Cloud, form: str = "%.5f") -> None:
    """Write x y z as plain text, folder included."""
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, points, form)


def _castings(folder: Path, count: int = 4) -> None:
    for seed in range(count):
        write(folder / "good" / f"g{seed}.xyz", casting(seed))


UNITS = {"m": 1_000.0, "cm": 10.0, "inch": 25.4, "um": 0.001}


def make_units(folder: Path) -> None:
    """A detector of millimetres, scans in other units."""
    _castings(folder)
    for bump, what in ((0.0, "good"), (2.5, "bump")):
        cloud = casting(50, bump=bump)
        write(folder / "test" / f"mm_{what}.xyz", cloud)
        for unit, factor in UNITS.items():
            write(folder / "test" / f"{unit}_{what}.xyz", cloud / factor, "%.8g")


def make_stated(folder: Path) -> None:
    """Scans in metres for a detector of millimetres."""
    _castings(folder)
    write(folder / "test" / "good.xyz", casting(50) / 1_000, "%.8g")
    write(folder / "test" / "bump.xyz", casting(51, bump=2.5) / 1_000, "%.8g")


SHARES = (3, 5, 10, 20, 30, 50, 70, 90, 95)


def make_broken(folder: Path) -> None:
    """Whole parts of which more and more is broken off."""
    _castings(folder)
    for turn in (0, 1):
        for share in SHARES:
            cloud = casting(60 + share, missing=share / 100) @ random_rotation(share * turn).T
            write(folder / "test" / f"missing{share:02d}_{turn}.xyz", cloud)
        write(folder / "test" / f"good_{turn}.xyz", casting(59) @ random_rotation(59 * turn).T)


FEW = (1, 3, 10, 50, 200)


def make_nothing(folder: Path) -> None:
    """Scans with next to nothing in them."""
    _castings(folder)
    cloud, generator = casting(50), np.random.default_rng(1)
    for count in FEW:
        write(folder / "test" / f"n{count}.xyz", cloud[:count])
    write(folder / "test" / "one_place.xyz", np.repeat(cloud[:1], 2_000, 0))
    write(folder / "test" / "one_spot.xyz", cloud[:1] + generator.normal(0, 0.05, (2_000, 3)))
    line = np.linspace(0, 1, 2_000)[:, None] * (100, 0, 0)
    write(folder / "test" / "line.xyz", line + generator.normal(0, 0.03, (2_000, 3)))
    flat = np.column_stack([generator.uniform(-80, 80, (6_000, 2)), np.zeros(6_000)])
    write(folder / "test" / "empty_table.xyz", flat + generator.normal(0, 0.03, flat.shape))
    np.save(folder / "test" / "transposed_bump.npy", casting(51, bump=2.5).T.astype(np.float32))


def make_matrices(folder: Path) -> None:
    """Height maps as CSV matrices."""
    for number in range(5):
        _matrix(folder / "good" / f"g{number}.csv", number, 0.0)
    for name, bump in (("good", 0.0), ("nub", 1.5), ("dent", -1.5)):
        _matrix(folder / "test" / f"{name}.csv", 90, bump)


def _matrix(file: Path, seed: int, bump: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, height_map(seed, bump=bump)[2], "%.4f", ",")


def make_camera(fill: float | None) -> Callable[[Path], None]:
    """A bracket under a depth camera, lost pixels filled with a value."""

    def make(folder: Path) -> None:
        import open3d

        scans = {
            f"good/g{i}": seen_by_a_camera(bracket(), i, missing_pixels=fill) for i in range(5)
        }
        for name, solids in (("good", bracket()), ("nub", bracket("nub")),
                             ("boss_missing", bracket(boss=False))):  # fmt: skip
            scans[f"test/{name}"] = seen_by_a_camera(solids, 90, missing_pixels=fill)
        for name, points in scans.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
            open3d.io.write_point_cloud(folder / f"{name}.ply", cloud)

    return make


def make_strays(folder: Path) -> None:
    """Points at the camera, far away, and between near and far."""
    for number in range(5):
        scan = seen_by_a_camera(bracket(), number)
        write(folder / "good" / f"g{number}.xyz", np.append(scan, np.zeros((1, 3)), 0))
    for name, solids in (("good", bracket()), ("nub", bracket("nub"))):
        scan = seen_by_a_camera(solids, 90)
        far = np.append(scan, [[900.0, -400.0, 2_000.0]], 0)
        camera = np.append(scan, np.zeros((1, 3)), 0)
        some = {"plain": scan, "camera": camera, "far": far}
        some |= {f"flying{n}": flying(scan, n, 7 + n) for n in (2, 10)}
        for what, cloud in some.items():
            write(folder / "test" / f"{name}_{what}.xyz", cloud)


def make_signs(shape: str) -> Callable[[Path], None]:
    """Nubs and dents at several places of a height map."""

    def make(folder: Path) -> None:
        for seed in range(5):
            write(folder / "good" / f"g{seed}.xyz", listed(*height_map(seed, shape)))
        for number, at in enumerate(SPOTS):
            for name, bump in (("nub", 1.5), ("dent", -1.5)):
                scan = height_map(50 + number, shape, at=at, bump=bump)
                write(folder / "test" / f"{name}{number}.xyz", listed(*scan))
        write(folder / "test" / "good.xyz", listed(*height_map(99, shape)))

    return make


DEPTHS = (0.2, 0.3, 0.5, 1.0, 3.0)


def make_shallow(folder: Path) -> None:
    """Dents of one width and many depths."""
    for seed in range(5):
        write(folder / "good" / f"g{seed}.xyz", listed(*height_map(seed)))
    for depth in (0.0, 0.05, 0.1, *DEPTHS):
        scan = listed(*height_map(90, bump=-depth))
        write(folder / "test" / f"depth{round(100 * depth):03d}.xyz", scan)


def make_tables(fixed: bool) -> Callable[[Path], None]:
    """Parts on a table, always at one place or anywhere."""

    def make(folder: Path) -> None:
        for seed in range(5):
            scan = on_a_table(bracket(), seed, fixed=fixed)
            write(folder / "good" / f"g{seed}.xyz", scan, "%.3f")
        for seed in range(3):
            scan = on_a_table(bracket(), 50 + seed, fixed=fixed)
            write(folder / "test" / f"good{seed}.xyz", scan, "%.3f")
        others = {
            "nub": on_a_table(bracket("nub"), 60, fixed=fixed),
            "boss_missing": on_a_table(bracket(boss=False), 61, fixed=fixed),
            "screw": on_a_table(bracket(), 70, fixed=fixed, screw=True),
            "only_table": on_a_table([], 71, fixed=fixed),
        }
        for name, scan in others.items():
            write(folder / "test" / f"{name}.xyz", scan, "%.3f")

    return make


def make_odd(other: Callable[[], Cloud]) -> Callable[[Path], None]:
    """Good scans with one among them that is none."""

    def make(folder: Path) -> None:
        _castings(folder, 5)
        write(folder / "good" / "odd.xyz", other())
        write(folder / "test" / "good.xyz", casting(50))
        write(folder / "test" / "bump.xyz", casting(51, bump=2.5))

    return make


def make_densities(folder: Path) -> None:
    """Sparse good scans, dense scans to judge."""
    for seed in range(4):
        write(folder / "good" / f"g{seed}.xyz", casting(seed, 2_000))
    for name, bump in (("good", 0.0), ("bump", 2.5)):
        cloud, generator = casting(50, 13_000, bump=bump), np.random.default_rng(5)
        left = cloud[cloud[:, 0] < 0]
        some = {
            "full": cloud, "same": cloud[:2_000], "tenths": cloud.round(1),
            "twice": np.concatenate([cloud, cloud + generator.normal(0, 0.005, cloud.shape)]),
            "left": np.concatenate([cloud, *[left + generator.normal(0, 0.02, left.shape)] * 3]),
        }  # fmt: skip
        for what, points in some.items():
            write(folder / "test" / f"{name}_{what}.xyz", points)


def make_far(folder: Path) -> None:
    """Coordinates in float32, 500 km from the origin."""
    _castings(folder)
    (folder / "test").mkdir()
    for name, bump in (("good", 0.0), ("bump", 2.5)):
        away = np.array([500_000_000.0, 0.0, 0.0])
        far = (casting(50, bump=bump) + away).astype(np.float32)
        np.save(folder / "test" / f"{name}.npy", far)


def make_merged(folder: Path) -> None:
    """Clouds merged from several frames that are a little off."""

    def merged(seed: int, bump: float = 0.0) -> Cloud:
        generator = np.random.default_rng(seed)
        frames = [listed(*height_map(100 * seed + i, bump=bump)) for i in range(4)]
        return np.concatenate([frame + generator.normal(0, 0.08, 3) for frame in frames])

    for seed in range(5):
        write(folder / "good" / f"g{seed}.xyz", merged(seed))
    write(folder / "test" / "good.xyz", merged(50))
    write(folder / "test" / "dent.xyz", merged(51, -1.5))


PASSED_BY = ("e57", "las", "step", "3mf", "glb", "zdf")


def make_mixed(folder: Path) -> None:
    """A folder with files of many suffixes."""
    _castings(folder)
    cloud = casting(50, bump=2.5)
    for suffix in ("xyz", "asc", "xyzn"):
        write(folder / "test" / f"read_{suffix}.{suffix}", cloud)
    text = (folder / "test" / "read_xyz.xyz").read_text()
    (folder / "test" / "read_pts.pts").write_text(f"{len(cloud)}\n{text}")
    for suffix in PASSED_BY:
        (folder / "test" / f"other_{suffix}.{suffix}").write_bytes(b"\0\1binary")


@dataclass(frozen=True)
class Export:
    """Text as a program writes it: lines made of x, y, z and further columns."""

    name: str
    order: str
    head: str = ""
    delimiter: str = " "
    comma: bool = False
    clear: bool = True
    nan: str = ""


EXPORTS = (
    Export("plain", "xyz"),
    Export("comment", "xyzrgbd", "//X Y Z R G B Scalar_field\n"),
    Export("count", "xyz", "//X;Y;Z\n{n}\n", ";"),
    Export("pts", "xyzirgb", "{n}\n"),
    Export("paraview", "abcxyz", '"N:0","N:1","N:2","Points:0","Points:1","Points:2"\n', ","),
    Export("index", "nxyzd", "Point;X [mm];Y [mm];Z [mm];Deviation [mm]\n", ";"),
    Export("stamps", "trsxyz", "TIMESTAMP (ns),RANGE (mm),SIGNAL,X (mm),Y (mm),Z (mm)\n", ","),
    Export("german", "xyz", "X;Y;Z\n", ";", comma=True),
    Export("german_tab", "xyz", "", "\t", comma=True),
    Export("german_space", "xyz", "", " ", comma=True),
    Export("normals_first", "abcxyz", "nx,ny,nz,x,y,z\n", ","),
    Export("trailing", "xyz_", "X,Y,Z,\n", ","),
    Export("easting", "nyxz", "id,northing,easting,elevation\n", ","),
    Export("two_heads", "xyz", "Project bracket\nX Y Z\n"),
    Export("bracketed", "dxyz", "Distance X(mm) Y(mm) Z(mm)\n"),
    Export("msvc_nan", "xyz", nan="-1.#IND"),
    Export("index_unnamed", "nxyz", clear=False),
    Export("row_column", "uvxyzi", clear=False),
)  # fmt: skip


def make_exports(folder: Path) -> None:
    """One cloud as text of many programs."""
    _castings(folder)
    (folder / "test").mkdir()
    for export in EXPORTS:
        text = exported(casting(51, bump=2.5), export)
        (folder / "test" / f"{export.name}.txt").write_text(text)


def exported(cloud: Cloud, export: Export) -> str:
    """A cloud as an export has it."""
    generator, count = np.random.default_rng(3), len(cloud)
    numbers = np.arange(count)
    plain = {axis: [f"{v:.5f}" for v in cloud[:, i]] for i, axis in enumerate("xyz")}
    if export.nan:
        plain["z"][::50] = [export.nan] * len(plain["z"][::50])
    columns = plain | {
        "n": [str(i + 1) for i in numbers],
        "t": [str(1_700_000_000_000 + i) for i in numbers],
        "u": [str(i // 200) for i in numbers],
        "v": [str(i % 200) for i in numbers],
        "d": [f"{v:.4f}" for v in generator.normal(0, 0.1, count)],
        "i": ["77"] * count,
        "s": ["120"] * count,
        "_": [""] * count,
    }
    columns |= {c: [f"{v:.5f}" for v in generator.uniform(-1, 1, count)] for c in "abc"}
    columns |= {c: [str(v) for v in generator.integers(0, 256, count)] for c in "rg"}
    columns["b"] = columns["b"] if "a" in export.order else columns["r"]
    rows = zip(*[columns[c] for c in export.order], strict=True)
    body = "\n".join(export.delimiter.join(row) for row in rows) + "\n"
    return export.head.format(n=count) + (body.replace(".", ",") if export.comma else body)


def make_meshes(faces: bool) -> Callable[[Path], None]:
    """Range images, with faces between neighbouring pixels or without."""

    def make(folder: Path) -> None:
        import trimesh

        rows, columns = height_map(0)[0].shape
        corner = np.arange(rows * columns).reshape(rows, columns)
        square = np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]], -1)
        square = square.reshape(-1, 4)
        triangles = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
        scans = {f"good/g{i}": height_map(i) for i in range(4)}
        scans |= {f"test/{n}": height_map(90, bump=b) for n, b in (("good", 0.0), ("nub", 1.5))}
        for name, scan in scans.items():
            points = listed(*scan)
            # A tall box: over its edges faces join pixels that are no neighbours on the part.
            points[:, 2] += 22.0 * ((np.abs(points[:, 0] - 25) < 4) & (np.abs(points[:, 1]) < 10))
            mesh = trimesh.Trimesh(points, triangles if faces else None, process=False)
            file = folder / f"{name}.ply"
            file.parent.mkdir(parents=True, exist_ok=True)
            (mesh if faces else trimesh.PointCloud(points)).export(file)

    return make
