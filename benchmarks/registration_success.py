"""Share of poses found, on complete and one-sided scans whose true pose is known.

    python benchmarks/registration_success.py                      # one-sided scans of solids
    python benchmarks/registration_success.py --data ROOT [--classes cup1,tap1] [--clouds 21]
    python benchmarks/registration_success.py --method ours open3d kiss-matcher small_gicp

ROOT is a folder in Anomaly-ShapeNet's layout in which all clouds of a class lie the same way. Every
cloud but the first template is turned and moved at random, once complete, once as what one camera
sees, and once as a quarter to all of that (`cut`), and registered to that template. Without ROOT
the scans are of the built-in solids, one-sided and cut, with sensor noise.

What counts as found: 2 degrees and 1 % of the longest side, up to the object's symmetry. Let E be
the pose found times the inverse of the true one, in the frame of the template; it should move
nothing, or be a symmetry of the object as far as the scan shows it (a vase turned about its axis; a
cup whose handle is hidden). The template points that the scan shows are moved by E and then laid
onto the template itself by ICP, once freely and once on a leash of 2 degrees and 1 % (shift of
their centroid). The scan is found if E is within the leash of the identity, or if

- the template fits itself there: ICP brings the points to within 0.3 % of the longest side (root
  mean square distance to the surface; 0.1 to 0.28 % is met at symmetries, from sampling, edges and
  noise; a gear turned by half a tooth has 0.5 %, most wrong poses have 1 to 4 %), and
- E is within the leash of such a pose: leashed, the points lie at most 1.1 times as far from the
  surface as free ones, or as they themselves do, at rest, from what the other points span.

`exact` is the share within the leash of the identity alone: near zero by nature for objects of
revolution. What the criterion lets through: two in five errors of 3 degrees, a quarter of shifts by
1.5 %, a twentieth of 4 degrees or 2 %, since less than that hardly moves a surface off itself.
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
SYMMETRY = 0.003
"""Root mean square distance, in longest sides, at which the template still fits itself."""
SLACK = 1.1
"""Leashed points may lie so many times as far off as free ones, or as the template from itself."""
_NEIGHBOURS = 6
_PATCH = 4_000
_CUTS = np.concatenate([np.geomspace(0.1, 0.02, 10), np.full(10, 0.02)])


@dataclass(frozen=True)
class Deviation:
    """How far a pose is from right.

    Attributes:
        angle: Degrees from the true pose.
        shift: Of the centroid of what is shown, in longest sides.
        misfit: Root mean square distance from the template, in longest sides, of what is shown in
            the best pose within the leash.
        free: The same without a leash.
        floor: The same at rest, each point measured to the surface without itself.
    """

    angle: float
    shift: float
    misfit: float
    free: float
    floor: float

    @property
    def exact(self) -> bool:
        """Whether the pose is the true one."""
        return self.angle <= ANGLE and self.shift <= SHIFT

    @property
    def found(self) -> bool:
        """Whether the pose is the true one up to a symmetry of what is shown."""
        best = min(self.free, self.misfit)
        beside = self.misfit <= SLACK * max(self.floor, best)
        return self.exact or (best <= SYMMETRY and beside)


def deviation(surface: PosedSurface, shown: np.ndarray, error: RigidTransform) -> Deviation:
    """Compare a pose with the true one and with the symmetries within reach.

    Args:
        surface: The template.
        shown: (M, 3) scan, noise and defects and all, in its true pose.
        error: E, from the frame of the template to itself.
    """
    nearest = np.unique(surface.fine_index.query(surface.to_unit(shown), 1)[1])
    patch = surface.fine[nearest].astype(np.float64)
    middle = patch.mean(0)
    offset = error.rotation @ surface.center + error.translation - surface.center
    start = Poses(error.rotation[None], offset[None] / surface.extent)
    there = start.apply(middle[None])[0, 0]
    thinned = patch[:: max(1, len(patch) // _PATCH)]
    return Deviation(
        error.angle,
        float(np.linalg.norm(there - middle)),
        least_misfit(surface, thinned, start, leash=True),
        least_misfit(surface, thinned, start, leash=False),
        own_misfit(surface, thinned),
    )


def own_misfit(surface: PosedSurface, patch: np.ndarray) -> float:
    """Root mean square distance of points of a surface from what the others span.

    Measured to tangent discs of neighbours, as `PosedSurface.distances` does.

    Args:
        surface: The template, longest side 1.
        patch: (M, 3) float64, some of `surface.fine`.
    """
    reach, indices = (found[:, 1:] for found in surface.fine_index.query(patch, _NEIGHBOURS + 1))
    offsets = patch[:, None] - surface.fine[indices]
    height = np.einsum("mki,mki->mk", offsets, surface.fine_normals[indices])
    along = np.sqrt(np.maximum(np.square(reach, dtype=np.float64) - height**2, 0.0))
    beyond = np.maximum(along - 1.5 * surface.spacing, 0.0)
    return float(np.sqrt((height**2 + beyond**2).min(1).mean()))


def least_misfit(surface: PosedSurface, patch: np.ndarray, start: Poses, *, leash: bool) -> float:
    """Root mean square distance of points from the surface after ICP.

    Args:
        surface: The template, longest side 1.
        patch: (M, 3) float64 points of it.
        start: One pose.
        leash: Whether to stay within 2 degrees and 1 % of it.
    """
    pose, middle = start, patch.mean(0)
    misfits = [np.square(surface.distances(pose.apply(patch)[0])).mean()]
    for cut in _CUTS:
        pose = refine(surface.fine_index, surface.fine_normals, patch, pose, np.array([cut]))
        pose = leashed(start, pose, middle) if leash else pose
        misfits.append(np.square(surface.distances(pose.apply(patch)[0])).mean())
    return float(np.sqrt(min(misfits)))


def leashed(start: Poses, pose: Poses, middle: np.ndarray) -> Poses:
    """Bring a pose back to within 2 degrees and 1 % (where `middle` lies) of another."""
    turn = Rotation.from_matrix(pose.rotations[0] @ start.rotations[0].T).as_rotvec()
    turn *= min(1.0, np.radians(ANGLE) / max(float(np.linalg.norm(turn)), 1e-12))
    rotation = Rotation.from_rotvec(turn).as_matrix() @ start.rotations[0]
    there = start.apply(middle[None])[0, 0]
    shift = pose.apply(middle[None])[0, 0] - there
    shift *= min(1.0, SHIFT / max(float(np.linalg.norm(shift)), 1e-12))
    return Poses(rotation[None], (there + shift - rotation @ middle)[None])


@dataclass(frozen=True)
class Outcome:
    """One registration."""

    case: Case
    deviation: Deviation
    sides: bool
    seconds: float
    cost: float


def run(category: Category, name: str, variant: str) -> list[Outcome]:
    """Register all scans of a class."""
    surface = PosedSurface(category.truth, np.random.default_rng(0))
    method = METHODS[name][variant](category.template)
    outcomes = []
    for case in category.cases:
        start = time.process_time()
        result = method(case.points)
        seconds = time.process_time() - start
        error = result.transform.compose(case.pose)
        shown = case.pose.inverse().apply(case.points)
        sides = result.complete == (case.kind == "complete")
        outcomes.append(
            Outcome(case, deviation(surface, shown, error), sides, seconds, result.cost)
        )
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
    print_known(outcomes)
    print_misses([outcome for outcome in outcomes if not outcome.deviation.found])


def print_known(outcomes: list[Outcome]) -> None:
    """How many wrong poses cost no more than right ones do: nothing gives these away."""
    print("\n| scans | largest cost of 99 % found | wrong | of these cost no more |")
    print("|---|---:|---:|---:|")
    for kind in sorted({outcome.case.kind for outcome in outcomes}):
        group = [outcome for outcome in outcomes if outcome.case.kind == kind]
        right = [outcome.cost for outcome in group if outcome.deviation.found]
        wrong = [outcome.cost for outcome in group if not outcome.deviation.found]
        usual = float(np.quantile(right, 0.99)) if right else float("nan")
        unknown = sum(cost <= usual for cost in wrong)
        print(f"| {kind} | {usual:.4f} | {len(wrong)} | {unknown} |")


def print_misses(missed: list[Outcome], most: int = 40) -> None:
    """Which scans were not found, and how far off they are."""
    print(f"\n{len(missed)} not found" + (":\n" if missed else "."))
    for outcome in missed[:most]:
        case, far = outcome.case, outcome.deviation
        print(
            f"- {case.category} {case.kind} {case.number}: {far.angle:.1f} degrees and "
            f"{far.shift:.1%} from the true pose, "
            f"misfit {far.misfit:.2%}, free {far.free:.2%}, floor {far.floor:.2%}, "
            f"cost {outcome.cost:.4f}"
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
