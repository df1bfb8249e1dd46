"""`plane-anomalib data`: make a benchmark from one's own meshes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from plane_anomalib.cli.terminal import say

_MAKE = """\
Make a benchmark from closed triangle meshes (CAD parts, scanned objects), one category per file:
templates, good tests and defective tests with point labels, in the folders of Anomaly-ShapeNet or
Real3D-AD, so that `--data AnomalyShapeNet --data.root ROOT` (or Real3DAD) loads it.

Every cloud is its own specimen (a smooth deviation from the mesh) and its own scan (fresh points,
noise). Defects are made on the surface before it is sampled, by the code behind ProceduralShapes:
bulge, concavity, hole, broken, scratch, crak and bending, in sizes as in the public data; for
real3d-ad bulge and sink. Points are labelled because the code knows where it moved the surface; a
defective cloud differs from a good one nowhere else. With real3d-ad, tests show one side of the
object in an arbitrary pose, in millimetres; templates are complete.

The same arguments and meshes give the same bytes. ROOT/manifest.json holds the arguments and
ROOT/CATEGORY/manifest.json the mesh's name and SHA-256, and for every cloud the kind of defect, the
share of anomalous points and the pose. A run that was interrupted goes on where it was; a root
with another manifest is never touched.

Meshes must be closed (light repair is tried); point clouds do not do: PointCloudFolder reads those.
A category from a mesh of 200,000 triangles takes about 10 s of one core and 0.6 GB.
"""
_WHOLE = (
    ("--seed", "of everything random (0)"),
    ("--points", "mean points of a test cloud (15000; real3d-ad 20000)"),
    ("--template-points", "mean points of a template (15000; real3d-ad 60000)"),
    ("--templates", "templates per category (4)"),
    ("--good", "good tests per category (8)"),
    ("--per-defect", "tests per category and kind of defect (2; real3d-ad 4)"),
    ("--resolution", "steps of the distance grid along the object, more for thin walls (224)"),
)
_SHARES = (
    ("--variation", "deviation of a specimen, in largest sides of the object (0.002)"),
    ("--noise", "scanner noise, in largest sides (0.0005)"),
    ("--outliers", "share of points with ten times the noise (0)"),
    ("--defect-size", "anomalous points, in terms of the usual share (1)"),
    ("--extent", "largest side in the files (1; real3d-ad 30)"),
)
_NAMES = {
    "points": "num_points",
    "templates": "num_templates",
    "good": "num_good",
    "per_defect": "num_per_defect",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the actions and their arguments to the command's parser."""
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser(
        "make",
        help="Make a benchmark from closed meshes.",
        description=_MAKE,
        formatter_class=RawDescriptionHelpFormatter,
    )
    make.add_argument(
        "--meshes", type=Path, required=True, metavar="DIR", help=".stl, .obj, .off or .ply files"
    )
    make.add_argument(
        "--layout", required=True, metavar="LAYOUT", help="anomaly-shapenet or real3d-ad"
    )
    make.add_argument("--out", type=Path, required=True, metavar="ROOT", help="where to")
    for flag, text in _WHOLE:
        make.add_argument(flag, type=int, metavar="N", help=text)
    for flag, text in _SHARES:
        make.add_argument(flag, type=float, metavar="X", help=text)
    make.add_argument(
        "--processes", type=int, default=1, metavar="N", help="categories made at once (1)"
    )


def run(arguments: Namespace) -> int:
    """Run an action.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    from plane_anomalib.generation.manifests import MeshSpec
    from plane_anomalib.generation.mesh_benchmark import make_benchmark

    given = {
        _NAMES.get(name, name): getattr(arguments, name)
        for name in (flag.lstrip("-").replace("-", "_") for flag, _ in (*_WHOLE, *_SHARES))
    }
    spec = MeshSpec.create(arguments.layout, **given)
    made = make_benchmark(
        arguments.meshes, arguments.out, spec, processes=arguments.processes, report=say
    )
    loader = "Real3DAD" if spec.conventions.one_sided else "AnomalyShapeNet"
    say(f"{arguments.out} holds {len(made)} categories; use them with")
    say(f"  anomalib train --model Plane --data {loader} --data.root {arguments.out}")
    return 0
