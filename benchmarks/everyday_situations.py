"""Everyday situations, and what is right to say of each: one detector a situation, many scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from everyday_files import (
    DEPTHS,
    EXPORTS,
    FEW,
    PASSED_BY,
    SHARES,
    UNITS,
    make_broken,
    make_camera,
    make_densities,
    make_exports,
    make_far,
    make_matrices,
    make_merged,
    make_meshes,
    make_mixed,
    make_nothing,
    make_odd,
    make_shallow,
    make_signs,
    make_stated,
    make_strays,
    make_tables,
    make_units,
)
from everyday_parts import NOISE, SPOTS, casting, height_map, listed


@dataclass(frozen=True)
class Found:
    """What was said of one file: a decision, the regions as `summary.json` has them, a reason.

    `decision` is `anomaly`, `normal`, `not judged`, `failed` (not readable) or `passed by`.
    """

    decision: str
    regions: tuple[Mapping[str, object], ...] = ()
    score: float = float("nan")
    reason: str = ""


Check = Callable[[Found], bool]


@dataclass(frozen=True)
class Row:
    """Scans of one kind.

    Attributes:
        name: What they are.
        right: What is right, in words.
        checks: File stem to whether what was said is right.
    """

    name: str
    right: str
    checks: Mapping[str, Check]


@dataclass(frozen=True)
class Situation:
    """A detector and scans for it.

    Attributes:
        kind: Number of the kind, see `KINDS`.
        name: In words.
        make: Writes `good` and `test` below a folder.
        rows: What is right.
        train: Options of `train`, and `predict` of `predict`, that only this version has.
    """

    kind: int
    name: str
    make: Callable[[Path], None]
    rows: tuple[Row, ...]
    train: tuple[str, ...] = ()
    predict: tuple[str, ...] = ()


KINDS = {
    1: "another unit", 2: "parts broken off", 3: "nothing there", 4: "fill and strays",
    5: "raised or sunken", 6: "a place and a size", 7: "columns", 8: "meshes",
    9: "what lies around", 10: "precision and density", 11: "files passed by",
}  # fmt: skip


def says(*decisions: str) -> Check:
    """Right if one of these is said."""
    return lambda found: found.decision in decisions


NOT_JUDGED = says("not judged", "failed")
NORMAL = says("normal")


def anomaly(
    at: Iterable[float] | None = None,
    within: float = 8.0,
    *,
    height: float | None = None,
    across: tuple[float, float] | None = None,
) -> Check:
    """Right if it is an anomaly with a region, there, with that height and size.

    Args:
        at: `(x, y)` or `(x, y, z)` of the defect; the largest region must lie there.
        within: How far from it.
        height: Signed; right within 10 % or three times the noise, or if none is said.
        across: Least and largest diameter.
    """

    def check(found: Found) -> bool:
        if found.decision != "anomaly" or not found.regions:
            return False
        region = found.regions[0]
        place = np.asarray(list(at or ()))
        center = np.asarray(region["center"])[: len(place)]
        right = not len(place) or float(np.linalg.norm(center - place)) <= within
        said = region["height"]
        if height is not None and said is not None:
            right &= abs(float(str(said)) - height) <= max(0.1 * abs(height), 3 * NOISE)
        if across is not None:
            right &= across[0] <= float(str(region["diameter"])) <= across[1]
        return right

    return check


def each(names: Iterable[str], check: Check) -> dict[str, Check]:
    """The same check for many files."""
    return dict.fromkeys(names, check)


def situations() -> list[Situation]:
    """All of them, in the order of their kinds."""
    nub, dent = anomaly(height=1.5), anomaly(height=-1.5)
    both = ("anomaly", "not judged", "failed")
    far = {f"{unit}_{what}": NOT_JUDGED for unit in UNITS for what in ("good", "bump")}
    found = [
        Situation(1, "a detector of mm, scans in other units", make_units, (
            Row("mm: good, bump", "normal, anomaly", {"mm_good": NORMAL, "mm_bump": anomaly()}),
            Row("m, cm, inch, um", "not judged", far),
        )),
        Situation(1, "scans in m, and both sides stated", make_stated, (
            Row("good, bump", "normal, anomaly", {"good": NORMAL, "bump": anomaly()}),
        ), ("--units", "mm"), ("--units", "m")),
        Situation(2, "whole parts, broken off", make_broken, (
            Row("good, as it lies and turned", "normal", each(["good_0", "good_1"], NORMAL)),
            Row("3 to 95 % missing, as it lies and turned", "anomaly", {
                f"missing{share:02d}_{turn}": anomaly() for share in SHARES for turn in (0, 1)}),
        )),
        Situation(3, "scans with nothing in them", make_nothing, (
            Row("1 to 200 points", "not judged", each([f"n{n}" for n in FEW], NOT_JUDGED)),
            Row("all in one place, on a spot, on a line, on a table", "not judged", each(
                ["one_place", "one_spot", "line", "empty_table"], NOT_JUDGED)),
            Row("a (3, N) array with a bump", "anomaly, or refused", {
                "transposed_bump": says(*both)}),
        )),
        Situation(3, "height maps as matrices, pitch said", make_matrices, (
            Row("good", "normal", {"good": NORMAL}),
            Row("nub, dent of 1.5", "anomaly, height within 10 %", {"nub": nub, "dent": dent}),
        ), ("--pitch", "0.7"), ("--pitch", "0.7")),
    ]  # fmt: skip
    for fill, said in ((None, "left out"), (float("nan"), "not a number"), (0.0, "(0, 0, 0)")):
        found.append(Situation(4, f"a depth camera, lost pixels {said}", make_camera(fill), (
            Row("good", "normal", {"good": NORMAL}),
            Row("nub of 4, boss of 20 missing", "anomaly with a region", {
                "nub": anomaly(), "boss_missing": anomaly()}),
        )))  # fmt: skip
    strays = ("plain", "camera", "far", "flying2", "flying10")
    found.append(Situation(4, "strays, in good scans as well", make_strays, (
        Row("good with strays", "normal", each([f"good_{s}" for s in strays], NORMAL)),
        Row("nub with strays", "anomaly with a region", each(
            [f"nub_{s}" for s in strays], anomaly())),
    )))  # fmt: skip
    found += [
        Situation(5, f"nubs and dents of 1.5 on a {shape}", make_signs(shape), (
            Row("good", "normal", {"good": NORMAL}),
            Row("5 nubs", "+1.5 within 10 %", {
                f"nub{i}": anomaly(at, height=1.5) for i, at in enumerate(SPOTS)}),
            Row("5 dents", "-1.5 within 10 %", {
                f"dent{i}": anomaly(at, height=-1.5) for i, at in enumerate(SPOTS)}),
        ))
        for shape in ("plate", "arch", "dish")
    ]  # fmt: skip
    place = (-10.0, -10.0)
    found.append(Situation(6, "dents of 12 mm width, noise 0.03", make_shallow, (
        Row("none", "normal", {"depth000": NORMAL}),
        Row("0.05 and 0.1 deep", "normal, or there with a region", each(
            ["depth005", "depth010"], lambda f: f.decision == "normal" or anomaly(place)(f))),
        Row("0.2 to 3 deep", "anomaly, 8 to 13 across", {
            f"depth{round(100 * d):03d}": anomaly(place, across=(8.0, 13.0)) for d in DEPTHS}),
    )))  # fmt: skip
    found.append(Situation(7, "text of many programs, bump", make_exports, (
        Row("clear ones", "anomaly as the plain file", {
            e.name: anomaly() for e in EXPORTS if e.clear}),
        Row("no header, index or row and column first", "refused", {
            e.name: NOT_JUDGED for e in EXPORTS if not e.clear}),
    )))  # fmt: skip
    found += [
        Situation(8, f"a range image {'with' if faces else 'without'} faces", make_meshes(faces), (
            Row("good", "normal", {"good": NORMAL}),
            Row("nub of 1.5", "anomaly, 8 to 13 across", {
                "nub": anomaly(place, across=(8.0, 13.0))}),
        ))
        for faces in (False, True)
    ]  # fmt: skip
    for fixed in (True, False):
        lying = "always there" if fixed else "anywhere, turned"
        found.append(Situation(9, f"on a table, {lying}", make_tables(fixed), (
            Row("3 good", "normal", each(["good0", "good1", "good2"], NORMAL)),
            Row("nub, boss missing, a screw beside", "anomaly with a region", each(
                ["nub", "boss_missing", "screw"], anomaly())),
            Row("only the table", "not judged", {"only_table": NOT_JUDGED}),
        ), ("--remove-table", "yes" if fixed else "auto")))  # fmt: skip
    odd = {
        "another part": lambda: listed(*height_map(3)),
        "half of the part": lambda: casting(9, missing=0.5),
    }
    for name, other in odd.items():
        found.append(Situation(9, f"among 6 good scans one of {name}", make_odd(other), (
            Row("good, bump", "normal, anomaly", {"good": NORMAL, "bump": anomaly()}),
        )))  # fmt: skip
    found += [
        Situation(10, "good scans of 2,000 points, others of 13,000", make_densities, (
            Row("good: as many, all, twice, uneven, in tenths", "normal", each(
                [f"good_{w}" for w in ("same", "full", "twice", "left", "tenths")], NORMAL)),
            Row("bump in each", "anomaly", each(
                [f"bump_{w}" for w in ("same", "full", "twice", "left", "tenths")], anomaly())),
        )),
        Situation(10, "float32, 500 km from the origin", make_far, (
            Row("good, bump", "refused", each(["good", "bump"], NOT_JUDGED)),
        )),
        Situation(10, "four frames merged into each scan", make_merged, (
            Row("good, dent of 1.5", "normal, anomaly there", {
                "good": NORMAL, "dent": anomaly(place)}),
        )),
        Situation(11, "a folder of many suffixes", make_mixed, (
            Row(".xyz .asc .xyzn .pts", "anomaly", each(
                [f"read_{s}" for s in ("xyz", "asc", "xyzn", "pts")], anomaly())),
            Row("." + " .".join(PASSED_BY), "said", each(
                [f"other_{s}" for s in PASSED_BY], says("failed", "not judged", "passed by"))),
        )),
    ]  # fmt: skip
    return found
