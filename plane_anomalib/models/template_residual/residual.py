"""TemplateResidual on arrays, without torch: what is learnt from templates, and scores by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.cores import one_blas_thread
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.points import FloatArray, as_points
from plane_anomalib.geometry.posed_surface import view_explaining
from plane_anomalib.geometry.registration import RegistrationTarget
from plane_anomalib.models.components.scores import CloudScores
from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.deviations import (
    Deviations,
    Placement,
    WorkingCloud,
    context_channels,
    measure_deviations,
    place,
)
from plane_anomalib.models.template_residual.sheets import Sheets
from plane_anomalib.models.template_residual.smooth_field import SmoothField
from plane_anomalib.models.template_residual.template import Learnt, Template, learn

_TEMPLATE_POINTS = 120_000
_POSE_ERROR = 0.004
_MOST = 0.7
"""A scan that shows more than this share of the part is not one of one side."""
_LEAST_OF_A_VIEW = 0.8
"""Of what one side shows, no more than this may be out of view."""
LEARNT = {
    "center": "float64",
    "extent": "float64",
    "posed": "bool",
    "specimens": "int64",
    "reference": "float32",
    "sheet_points": "float32",
    "sheet_normals": "float32",
    "sheet_noise": "float64",
    "field_centers": "float32",
    "deviation": "float64",
    "affine": "float64",
    "spread": "float32",
    "gap_places": "float32",
    "usual_gaps": "float32",
}
"""The arrays that are learnt, and their types."""


@dataclass(frozen=True)
class ResidualParts:
    """What the score of a scan is made of, one entry per point in input order.

    Attributes:
        raw: (N,) float32 signed distance to the mean template at the finest scale, positive
            outward, in the units of the cloud.
        free: (N,) float32 the same with the specimen's low-frequency deviation removed.
        coverage: (N,) float32 deviations that the gaps beside the point amount to; zero for
            one-sided scans.
        placement: How the scan lay, in a frame centered on the template and of unit size.
    """

    raw: NDArray[np.float32]
    free: NDArray[np.float32]
    coverage: NDArray[np.float32]
    placement: Placement


class Context(NamedTuple):
    """What a learnt detector may know of a cloud.

    Attributes:
        channels: (N, C) float32, see `context_channels`.
        seen: See `CloudScores`.
        doubt: Likewise.
    """

    channels: NDArray[np.float32]
    seen: float
    doubt: str


def smoothing_scales(config: TemplateResidualConfig) -> tuple[int, ...]:
    """Numbers of neighbours to average over, ascending."""
    return tuple(sorted(config.scales)) if config.smoothing else (1,)


def learn_arrays(
    config: TemplateResidualConfig, clouds: Sequence[FloatArray]
) -> dict[str, NDArray[Any]]:
    """Bring the templates into one frame and measure how they differ.

    Args:
        config: All choices.
        clouds: (N_i, 3) complete scans or sampled meshes of normal specimens, any units.

    Returns:
        The arrays of `LEARNT`.

    Raises:
        ConfigurationError: There is no cloud, or one is empty or not (N, 3).
    """
    if not len(clouds):
        raise ConfigurationError(
            "TemplateResidual needs at least one normal cloud to fit: give training clouds."
        )
    with one_blas_thread():
        return _learnt_arrays(config, clouds)


def _learnt_arrays(
    config: TemplateResidualConfig, clouds: Sequence[FloatArray]
) -> dict[str, NDArray[Any]]:
    most = max(_TEMPLATE_POINTS // len(clouds), 1)
    given = [WorkingCloud.of(cloud, most, config.seed).points for cloud in clouds]
    center = given[0].mean(0, dtype=np.float64)
    extent = float(np.ptp(given[0].astype(np.float64), 0).max()) or 1.0
    units = [np.asarray((cloud - center) / extent, np.float32) for cloud in given]
    target = RegistrationTarget(units[0], seed=config.seed)
    placed = [place(unit, target, search=config.registration, in_place=True) for unit in units[1:]]
    posed = not any(placement.moved for placement in placed)
    lying = [p.transform.apply(unit) for p, unit in zip(placed, units[1:], strict=True)]
    learnt = learn(
        [units[0], *lying],
        smoothing_scales(config),
        config.wavelength,
        0.0 if posed else _POSE_ERROR,
        remove_deviation=config.remove_deviation,
    )
    values = {
        "center": center,
        "extent": extent,
        "posed": posed,
        "specimens": len(clouds),
        "reference": units[0],
        **_of_template(learnt, calibrate=config.calibrate),
    }
    return {name: np.array(values[name], dtype) for name, dtype in LEARNT.items()}


def _of_template(learnt: Learnt, *, calibrate: bool) -> dict[str, Any]:
    template, spread = learnt.template, learnt.spread
    if not calibrate:
        overall = np.sqrt(np.square(spread, dtype=np.float64).mean(0, keepdims=True))
        spread = np.broadcast_to(overall, spread.shape)
    field = template.field
    return {
        "sheet_points": template.sheets.points,
        "sheet_normals": template.sheets.normals,
        "sheet_noise": template.sheets.noise,
        "field_centers": np.zeros((0, 3)) if field is None else field.centers,
        "deviation": template.deviation,
        "affine": template.affine,
        "spread": spread,
        "gap_places": learnt.places,
        "usual_gaps": learnt.usual,
    }


class ResidualJudge:
    """Scores a point by its distance from normal specimens, in standard deviations.

    Args:
        config: All choices.
        arrays: What `learn_arrays` returned.

    Raises:
        ConfigurationError: Nothing was learnt.
    """

    def __init__(self, config: TemplateResidualConfig, arrays: Mapping[str, NDArray[Any]]) -> None:
        if not len(arrays["sheet_points"]):
            raise ConfigurationError("TemplateResidual knows no template yet: call fit first.")
        self.config = config
        self._center, self._extent = arrays["center"], float(arrays["extent"])
        self._posed, self._specimens = bool(arrays["posed"]), int(arrays["specimens"])
        with one_blas_thread():
            self._learnt = _learnt(config, arrays)
            self._target = RegistrationTarget(arrays["reference"], seed=config.seed)

    def __call__(self, cloud: FloatArray) -> CloudScores:
        """Score one cloud.

        Args:
            cloud: (N, 3) scan, complete or one-sided, in any pose, in the units of the templates.

        Returns:
            Scores of its points and of the whole, in standard deviations of normal specimens.

        Raises:
            ConfigurationError: The cloud is empty or not (N, 3).
        """
        working = WorkingCloud.of(cloud, self.config.max_points, self.config.seed)
        with one_blas_thread():
            deviations, _, doubt = self._measured(working)
        scores = deviations.total
        highest = np.sort(scores)[-self.config.object_points :]
        score = float(highest.mean(dtype=np.float64))
        return CloudScores(working.to_given(scores), score, deviations.seen, doubt)

    def residuals(self, cloud: FloatArray) -> ResidualParts:
        """The signed residuals behind the scores, for whoever wants to look at them.

        Args:
            cloud: (N, 3).

        Returns:
            Raw and deviation-free residuals, coverage and placement.

        Raises:
            ConfigurationError: The cloud is empty or not (N, 3).
        """
        working = WorkingCloud.of(cloud, self.config.max_points, self.config.seed)
        deviations, placement, _ = self._measured(working)
        extent = np.float32(self._extent)
        return ResidualParts(
            working.to_given(deviations.measurement.raw[:, 0] * extent),
            working.to_given(deviations.measurement.free[:, 0] * extent),
            working.to_given(deviations.missing),
            placement,
        )

    def context(self, cloud: FloatArray, *, in_place: bool = False) -> Context:
        """What a learnt detector may know of each point besides the residuals' own verdict.

        Args:
            cloud: (N, 3), in the units of the templates.
            in_place: The cloud is known to lie on the templates and is taken as it lies.

        Returns:
            Channels `(N, num_context_channels(S))` in input order, see `context_channels`, and
            what can be said of the sides that the cloud shows.

        Raises:
            ConfigurationError: The cloud is empty or not (N, 3).
        """
        working = WorkingCloud.of(cloud, self.config.max_points, self.config.seed)
        with one_blas_thread():
            deviations, _, doubt = self._measured(working, in_place=in_place)
            channels = context_channels(deviations)
        return Context(working.to_given(channels), deviations.seen, doubt)

    def laid(self, cloud: FloatArray) -> FloatArray:
        """Bring a cloud onto the templates.

        Args:
            cloud: (N, 3), in the units of the templates, in any pose.

        Returns:
            (N, 3) float32 in the units and the frame of the templates, in input order.

        Raises:
            ConfigurationError: The cloud is empty or not (N, 3).
        """
        working = WorkingCloud.of(cloud, self.config.max_points, self.config.seed)
        with one_blas_thread():
            placement = self._placed(self._in_unit(working.points), search=self.config.registration)
        moved = placement.transform.apply(self._in_unit(working.cloud))
        return np.asarray(moved * self._extent + self._center, np.float32)

    def _in_unit(self, points: FloatArray) -> FloatArray:
        return np.asarray((points - self._center) / self._extent, np.float32)

    def _placed(self, unit: FloatArray, *, search: bool) -> Placement:
        return place(unit, self._target, search=search, in_place=self._posed)

    def _measured(
        self, working: WorkingCloud, *, in_place: bool = False
    ) -> tuple[Deviations, Placement, str]:
        unit = self._in_unit(working.points)
        placement = self._placed(unit, search=self.config.registration and not in_place)
        points = placement.transform.apply(unit)
        deviations = measure_deviations(
            self._learnt,
            points,
            self._specimens,
            gaps=self.config.coverage and self._is_whole(placement),
            partial=not placement.complete,
        )
        return deviations, placement, self._doubt(unit, placement, deviations.seen)

    def _is_whole(self, placement: Placement) -> bool:
        """Whether what a scan does not show is missing."""
        sides = self.config.sides
        return placement.complete if sides == "auto" else sides == "whole"

    def _doubt(self, unit: FloatArray, placement: Placement, seen: float) -> str:
        """Why the sides that a scan shows do not let it be judged."""
        if self.config.sides == "auto" or placement.complete or seen > _MOST:
            return ""
        surface = self._target.surface
        view = view_explaining(surface, surface.to_unit(placement.transform.apply(unit)))
        if self.config.sides == "whole" and view.whole_view:
            return (
                f"it shows {seen:.0%} of the part, as a scan from one side would: scan all of it, "
                "or train with --one-sided yes if scans to be judged show one side"
            )
        if self.config.sides == "one" and view.missing > _LEAST_OF_A_VIEW:
            return (
                f"it shows {seen:.0%} of the part and {1 - view.missing:.0%} of what one side "
                f"shows, where {1 - _LEAST_OF_A_VIEW:.0%} are needed: scan more of it"
            )
        return ""


def _learnt(config: TemplateResidualConfig, arrays: Mapping[str, NDArray[Any]]) -> Learnt:
    """The template with its trees."""
    field = SmoothField(arrays["field_centers"], config.wavelength)
    sheets = Sheets(arrays["sheet_points"], arrays["sheet_normals"], float(arrays["sheet_noise"]))
    template = Template(
        sheets,
        field if len(field.centers) else None,
        float(arrays["deviation"]),
        float(arrays["affine"]),
        smoothing_scales(config),
    )
    places = as_points(arrays["gap_places"])
    return Learnt(template, arrays["spread"], places, arrays["usual_gaps"])
