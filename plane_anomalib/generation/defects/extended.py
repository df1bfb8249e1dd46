"""More kinds of defects than the paper's, on specimens and scans that vary."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.defects import augmentation
from plane_anomalib.generation.defects.base import (
    Action,
    Labelled,
    RotationMode,
    SyntheticCloud,
    check_rotation,
    check_weights,
    choose_kind,
    corrupt,
    unlabelled,
)
from plane_anomalib.generation.defects.part_defects import PART_DEFECTS
from plane_anomalib.generation.defects.surface_defects import SURFACE_DEFECTS
from plane_anomalib.geometry.points import FloatArray

DEFECTS: dict[str, Action] = {**SURFACE_DEFECTS, **PART_DEFECTS}
"""Every extended defect by name; acts in the unit sphere."""

EXTENDED_KINDS: tuple[str, ...] = (*DEFECTS, "normal")

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
            (self.resample, augmentation.resample),
            (self.deform, augmentation.deform_specimen),
            (self.density, augmentation.vary_density),
            (self.one_side, augmentation.view_from_one_side),
        ):
            if generator.random() < chance:
                cloud = change(cloud, generator)
        result = unlabelled(cloud) if kind == "normal" else DEFECTS[kind](cloud, generator)
        if generator.random() < self.noise:
            return Labelled(augmentation.jitter(result.points, generator), result.mask)
        return result
