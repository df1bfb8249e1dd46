"""More kinds of defects than the paper's, on specimens and scans that vary."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation import scans
from plane_anomalib.generation.defects.ano3d import Ano3D
from plane_anomalib.generation.defects.corruption import (
    AnomalyTransform,
    Labelled,
    RotationMode,
    SyntheticCloud,
    check_rotation,
    check_weights,
    choose_kind,
    corrupt,
    unlabelled,
)
from plane_anomalib.generation.defects.point_defects import POINT_DEFECTS
from plane_anomalib.geometry.points import FloatArray

EXTENDED_KINDS: tuple[str, ...] = (*POINT_DEFECTS, "normal")

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "normal": 0.25,
    "bulge": 0.1,
    "concavity": 0.1,
    "ridge": 0.04,
    "trench": 0.04,
    "dent": 0.06,
    "step": 0.03,
    "lump": 0.04,
    "ripple": 0.03,
    "flat_spot": 0.04,
    "scratch": 0.07,
    "crack": 0.06,
    "hole": 0.06,
    "bend": 0.04,
    "broken": 0.04,
}

_LEAST_POINTS = 32
"""A surface of fewer points has no patches: such a cloud stays normal."""


class DefectMix:
    """Makes one defect per call, of a kind drawn by weight, on an augmented normal specimen.

    Augmentations come to normal and defective clouds alike, so that neither density, nor a missing
    back side, nor noise is the cue: specimen deformation, density and view before the defect (a
    defect is always on what is seen), noise after it. Labels are true: labelled points moved or
    border on what is gone; the others did not (noise and augmentation aside).

    Args:
        kinds: Weight per kind, any of `EXTENDED_KINDS`.
        resample: Probability of another draw of points from the surface.
        deform: Probability of a smooth deformation of the specimen.
        density: Probability of uneven thinning.
        one_side: Probability of a one-sided view.
        noise: Probability of scanner noise.
        rotation: `"so3"`, `"z"` or `"none"`.
        renormalise: Restore centroid and radius after corruption, else they leak the label.

    Raises:
        ConfigurationError: For unknown kinds, impossible weights or probabilities.
    """

    def __init__(
        self,
        kinds: Mapping[str, float] | None = None,
        *,
        resample: float = 0.7,
        deform: float = 0.2,
        density: float = 0.3,
        one_side: float = 0.2,
        noise: float = 0.5,
        rotation: RotationMode = "so3",
        renormalise: bool = True,
    ) -> None:
        self.kinds = dict(DEFAULT_WEIGHTS if kinds is None else kinds)
        check_weights(self.kinds, EXTENDED_KINDS)
        check_rotation(rotation)
        for name, chance in (
            ("resample", resample),
            ("deform", deform),
            ("density", density),
            ("one_side", one_side),
            ("noise", noise),
        ):
            if not 0 <= chance <= 1:
                raise ConfigurationError(f"{name} is a probability within [0, 1], not {chance}.")
        self.resample, self.deform = resample, deform
        self.density, self.one_side = density, one_side
        self.noise, self.rotation, self.renormalise = noise, rotation, renormalise

    def __call__(self, points: ArrayLike, generator: np.random.Generator) -> SyntheticCloud:
        """Augment and corrupt one cloud.

        Args:
            points: (N, 3), N >= 1, any units.
            generator: The only source of randomness.

        Returns:
            The cloud in the units of the input, its labels and the kind of defect.
        """
        kind = choose_kind(self.kinds, generator)

        def action(cloud: FloatArray, generator: np.random.Generator) -> Labelled:
            return self._act(cloud, kind, generator)

        return corrupt(
            points,
            action,
            kind,
            generator,
            rotation=self.rotation,
            renormalise=self.renormalise,
        )

    def _act(self, cloud: FloatArray, kind: str, generator: np.random.Generator) -> Labelled:
        if len(cloud) < _LEAST_POINTS:
            return unlabelled(cloud)
        for chance, change in (
            (self.resample, scans.resample),
            (self.deform, scans.deform_specimen),
            (self.density, scans.vary_density),
            (self.one_side, scans.view_from_one_side),
        ):
            if generator.random() < chance:
                cloud = change(cloud, generator)
        result = unlabelled(cloud) if kind == "normal" else POINT_DEFECTS[kind](cloud, generator)
        if generator.random() < self.noise:
            return Labelled(scans.jitter(result.points, generator), result.mask)
        return result


def create_synthesis(
    name: str,
    *,
    rotation: RotationMode = "so3",
    one_sided: bool = False,
    measured: bool = False,
) -> AnomalyTransform:
    """A source of defects for a model that normalises what it sees by itself.

    Nothing is renormalised here: where all clouds lie the same way, what is intact must stay put.

    Args:
        name: `"ano3d"` (Algorithm 1 with a smooth edge), `"ano3d-literal"` (one independent
            displacement per point), `"extended"` (many kinds on varied specimens and scans), or
            `"none"`, which only rotates.
        rotation: `"so3"`, `"z"` or `"none"`.
        one_sided: Whether scans show one side only; the paper's defects know no such thing.
        measured: Whether clouds are measured against other specimens: then points must stay on
            their surface, and specimens differ only as much as those do.

    Raises:
        ConfigurationError: There is no such source.
    """
    if name == "none":
        return Ano3D({"normal": 1.0}, rotation=rotation, renormalise=False)
    if name == "ano3d":
        return Ano3D(rotation=rotation, renormalise=False)
    if name == "ano3d-literal":
        return Ano3D(profile="iid", label_threshold=0.0, rotation=rotation, renormalise=False)
    if name == "extended":
        make = partial(
            DefectMix,
            one_side=0.9 if one_sided else 0.0,
            rotation=rotation,
            renormalise=False,
        )
        return make(resample=0.0, deform=0.0, noise=0.2) if measured else make()
    raise ConfigurationError(
        f"synthesis must be ano3d, ano3d-literal, extended or none, not {name!r}."
    )
