"""Share of poses found, on complete and one-sided scans whose true pose is known.

    python benchmarks/registration_success.py                      # one-sided scans of solids
    python benchmarks/registration_success.py --data ROOT [--classes cup1,tap1] [--clouds 21]
    python benchmarks/registration_success.py --method ours open3d kiss-matcher small_gicp

ROOT is a folder in Anomaly-ShapeNet's layout in which all clouds of a class lie the same way. Every
cloud but the first template is turned and moved at random, once complete and once cut to what one
camera sees, and registered to that template. Without ROOT the scans are of the built-in solids,
one-sided, with sensor noise.

What counts as found. Let E be the pose found times the inverse of the true one, in the frame of the
template; it should move nothing. It may differ from that by a symmetry of the object as far as the
scan shows it (a vase turned about its axis; a cup whose handle is hidden). Starting at E, ICP lays
the template points that the scan shows onto the template itself, to the nearest pose S in which
they fit. S is a symmetry if they then lie within 0.4 % (root mean square) of the surface. The scan
is found if E is within 2 degrees and 1 % of the longest side (shift of the centroid of what is
shown) of S or of the identity. `exact` is the share of the latter alone: near zero by nature for
objects of revolution. ICP does not move along a direction in which the object slides on itself, and
goes to the end along all others; a handle that is turned by 5 degrees moves the surface by little,
but is a miss.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from registration_cases import Case, Category, from_files, from_solids
from registration_methods import METHODS
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.pose_search import Poses, refine
from plane_anomalib.geometry.posed_surface import PosedSurface
from plane_anomalib.geometry.registration import RigidTransform

ANGLE = 2.0
SHIFT = 0.01
SYMMETRY = 0.004
"""Root mean square distance, in longest sides, of what is shown from the surface at a symmetry."""
_PATCH = 4_000
_CUTS = np.concatenate([np.geomspace(0.2, 0.03, 10), np.full(30, 0.03)])


@dataclass(frozen=True)
class Deviation:
    """How far a pose is from right.

    Attributes:
        angle: Degrees from the true pose.
        shift: Of the centroid of what is shown, in longest sides.
        own_angle: Degrees from the nearest pose in which the template fits itself.
        own_shift: Likewise.
        misfit: Root mean square distance from the surface in that pose, in longest sides.
    """

    angle: float
    shift: float
    own_angle: float
    own_shift: float
    misfit: float

    @property
    def exact(self) -> bool:
        """Whether the pose is the true one."""
        return self.angle <= ANGLE and self.shift <= SHIFT

    @property
    def found(self) -> bool:
        """Whether the pose is the true one up to a symmetry of what is shown."""
        beside = self.own_angle <= ANGLE and self.own_shift <= SHIFT
        return self.exact or (beside and self.misfit <= SYMMETRY)


def deviation(surface: PosedSurface, shown: np.ndarray, error: RigidTransform) -> Deviation:
    """Compare a pose with the true one and with the nearest symmetry.

    Args:
        surface: The template.
        shown: (M, 3) scan, noise and defects and all, in its true pose.
        error: E, from the frame of the template to itself.
    """
    nearest = np.unique(surface.fine_index.query(surface.to_unit(shown), 1)[1])
    patch = surface.fine[nearest].astype(np.float64)
    middle = patch.mean(0)
    center = surface.center
    offset = (error.rotation @ center + error.translation - center) / surface.extent
    start = Poses(error.rotation[None], offset[None])
    thinned = patch[:: max(1, len(patch) // _PATCH)]
    end = refine(surface.fine_index, surface.fine_normals, thinned, start, _CUTS)
    turn = end.rotations[0].T @ error.rotation
    at_start, at_end = start.apply(middle[None])[0, 0], end.apply(middle[None])[0, 0]
    misfit = surface.distances(end.apply(patch)[0])
    return Deviation(
        error.angle,
        float(np.linalg.norm(at_start - middle)),
        float(np.degrees(Rotation.from_matrix(turn).magnitude())),
        float(np.linalg.norm(at_start - at_end)),
        float(np.sqrt(np.mean(np.square(misfit)))),
    )


@dataclass(frozen=True)
class Outcome:
    """One registration."""

    case: Case
    deviation: Deviation
    sides: bool
    seconds: float


def run(category: Category, name: str, variant: str) -> list[Outcome]:
    """Register all scans of a class."""
    surface = PosedSurface(category.template, np.random.default_rng(0))
    method = METHODS[name][variant](category.template)
    outcomes = []
    for case in category.cases:
        start = time.process_time()
        result = method(case.points)
        seconds = time.process_time() - start
        error = result.transform.compose(case.pose)
        shown = case.pose.inverse().apply(case.points)
        sides = result.complete == (case.kind == "complete")
        outcomes.append(Outcome(case, deviation(surface, shown, error), sides, seconds))
    return outcomes


def print_table(variant: str, outcomes: list[Outcome]) -> None:
    """One line per class and kind, then the totals, then the misses."""
    print(f"\n### {variant}\n")
    print("| class | scans | clouds | found | exact | sides recognised | CPU s/cloud |")
    print("|---|---|---:|---:|---:|---:|---:|")
    rows: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        rows[outcome.case.kind, outcome.case.category].append(outcome)
        rows[outcome.case.kind, "**all**"].append(outcome)
    for (kind, category), group in sorted(rows.items(), key=lambda row: row[0]):
        found = np.mean([outcome.deviation.found for outcome in group])
        exact = np.mean([outcome.deviation.exact for outcome in group])
        sides = np.mean([outcome.sides for outcome in group])
        seconds = np.mean([outcome.seconds for outcome in group])
        print(
            f"| {category} | {kind} | {len(group)} | {found:.3f} | {exact:.3f} | {sides:.3f} "
            f"| {seconds:.2f} |"
        )
    print_misses([outcome for outcome in outcomes if not outcome.deviation.found])


def print_misses(missed: list[Outcome], most: int = 40) -> None:
    """Which scans were not found, and how far off they are."""
    print(f"\n{len(missed)} not found" + (":\n" if missed else "."))
    for outcome in missed[:most]:
        case, far = outcome.case, outcome.deviation
        print(
            f"- {case.category} {case.kind} {case.number}: {far.angle:.1f} degrees and "
            f"{far.shift:.1%} from the true pose; {far.own_angle:.1f} degrees and "
            f"{far.own_shift:.1%} from a pose that fits itself within {far.misfit:.2%}"
        )
    if len(missed) > most:
        print(f"- and {len(missed) - most} more")


def main() -> None:
    """Register every case with every method and print shares and seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="folder in Anomaly-ShapeNet's layout")
    parser.add_argument("--procedural", action="store_true", help="the default without --data")
    parser.add_argument("--classes", default="all")
    parser.add_argument("--clouds", type=int, default=6, help="of each kind per class")
    parser.add_argument("--method", nargs="+", choices=METHODS, default=["ours"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    categories: list[Category] = []
    if given.data is not None:
        categories += from_files(given.data, given.classes, given.clouds, given.seed)
    if given.procedural or given.data is None:
        categories += from_solids(given.classes, given.clouds, given.seed)
    for name in given.method:
        for variant in METHODS[name]:
            outcomes = [o for category in categories for o in run(category, name, variant)]
            print_table(variant, outcomes)


if __name__ == "__main__":
    main()
