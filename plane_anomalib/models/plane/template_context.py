"""What PLANE may know of the normal specimens themselves: how far a cloud lies from them.

With this, PLANE is no longer template-free at test time; tables have to say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from torch import nn

from plane_anomalib.data.dataset import PointCloudDataset
from plane_anomalib.errors import ConfigurationError
from plane_anomalib.geometry.canonical import shuffled_order
from plane_anomalib.geometry.local_shape import local_shape_features
from plane_anomalib.geometry.validation import FloatArray
from plane_anomalib.models.plane.usual_shape import UsualShape, compared_channels
from plane_anomalib.models.template_residual.context import num_context_channels
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector

_SCALES = (6, 16, 48)
_MOST_POINTS = 100_000
"""Of a training cloud; scans of millions would make each of its views slow."""
_SHAPE_POINTS = 15_000
"""Of each specimen, where its local shape is remembered."""
CONTEXT_CHANNELS = num_context_channels(len(_SCALES))


class Context(NamedTuple):
    """What is known of points besides themselves.

    Attributes:
        channels: (N, `CONTEXT_CHANNELS`) float32 deviations from the normal specimens.
        places: (N, 3) float32, where the points lie on the specimens.
        usual: Local shape of those; None where it is not compared.
    """

    channels: FloatArray
    places: FloatArray
    usual: UsualShape | None

    def at(self, chosen: NDArray[np.int64]) -> Context:
        """The context of some of the points."""
        return Context(self.channels[chosen], self.places[chosen], self.usual)

    def features(self, local: FloatArray, num_scales: int) -> FloatArray:
        """Channels, and deviations of the local shape where it is compared.

        Args:
            local: (N, C) local shape of the points at so many scales.
            num_scales: See `compared_channels`.
        """
        if self.usual is None:
            return self.channels
        own = local[:, compared_channels(num_scales)]
        return np.concatenate([self.channels, self.usual.deviations(self.places, own)], 1)


@dataclass(frozen=True)
class Rehearsal:
    """A training cloud, and what measures it as if it were new.

    Attributes:
        cloud: (N, 3) as it lies on the other specimens.
        detector: Knows only those.
        usual: Their local shape, where it is compared.
    """

    cloud: FloatArray
    detector: TemplateResidualDetector
    usual: UsualShape | None

    def measure(self, cloud: FloatArray) -> Context:
        """Measure the cloud, damaged perhaps, as it lies on the other specimens."""
        return Context(*self.detector.context(cloud, in_place=True), self.usual)


class _LocalShape(NamedTuple):
    """Local shape (P, C) of a specimen at some of its points (P, 3)."""

    points: FloatArray
    shapes: FloatArray


class TemplateContext(nn.Module):
    """The normal specimens of every category, each a fitted `TemplateResidualDetector`.

    Args:
        max_points: Larger clouds are measured at so many points and interpolated.
        local_scales: Of the local shape that is compared; None compares none.
        seed: Of every draw.
    """

    def __init__(
        self,
        max_points: int = 20_000,
        *,
        local_scales: tuple[int, ...] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.max_points, self.local_scales, self.seed = max_points, local_scales, seed
        self._forget(())

    def _forget(self, categories: tuple[str, ...]) -> None:
        """Make room for categories."""
        self.categories = categories
        self.detectors = nn.ModuleList(self._empty() for _ in categories)
        shapes = categories if self.local_scales is not None else ()
        self.shapes = nn.ModuleList(UsualShape() for _ in shapes)

    def fit(self, data: PointCloudDataset) -> dict[str, Rehearsal]:
        """Learn the training clouds of each category, with a progress bar.

        A training cloud measured against itself would deviate nowhere, and training is to see what
        a new specimen shows: each has a detector of its own that knows only the others, or half of
        the cloud where there are none.

        Returns:
            For each training cloud, by its path, its rehearsal. They are for training alone and
            not kept.
        """
        names: list[str] = []
        rehearsals = {}
        self._forget(())
        with Progress(transient=True) as bar:
            task = bar.add_task("Comparing specimens", total=len(data))
            for category, items in data.by_category():
                clouds = {item.path: item.points.numpy() for item in items}
                shapes = {path: self._local_shape(cloud) for path, cloud in clouds.items()}
                names.append(category)
                detector, usual = self._fitted([*clouds.values()], [*shapes.values()])
                self.detectors.append(detector)
                if usual is not None:
                    self.shapes.append(usual)
                for path in clouds:
                    rehearsals[path] = self._rehearsal(path, clouds, shapes)
                    bar.advance(task)
        self.categories = tuple(names)
        return rehearsals

    def _rehearsal(
        self,
        path: str,
        clouds: Mapping[str, FloatArray],
        shapes: Mapping[str, _LocalShape | None],
    ) -> Rehearsal:
        own = clouds[path]
        others = [other for other in clouds if other != path]
        known, theirs = [clouds[other] for other in others], [shapes[other] for other in others]
        if not others:
            known = [own[shuffled_order(own, self.seed, first=-(-len(own) // 2))]]
            theirs = [self._local_shape(known[0])]
        detector, usual = self._fitted(known, theirs)
        some = own[shuffled_order(own, self.seed, first=_MOST_POINTS)]
        return Rehearsal(detector.laid(some), detector, usual)

    def _local_shape(self, cloud: FloatArray) -> _LocalShape | None:
        if self.local_scales is None:
            return None
        points = cloud[shuffled_order(cloud, self.seed, first=_SHAPE_POINTS)]
        shapes = local_shape_features(cloud, points, self.local_scales)
        return _LocalShape(points, shapes[:, compared_channels(len(self.local_scales))])

    def measure(self, cloud: FloatArray, category: str) -> Context:
        """How far each point of a test cloud lies from its category's normal specimens.

        Args:
            cloud: (N, 3) in the object's own units, in any pose.
            category: The cloud's; one that is not known is taken for that to which the cloud looks
                most normal.

        Returns:
            The context of all points, in input order.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        if not self.categories:
            raise ConfigurationError("PLANE knows no normal specimen yet: train it first.")
        known = [self.categories.index(category)] if category in self.categories else None
        measured = []
        for i in known or range(len(self.categories)):
            usual = cast("UsualShape", self.shapes[i]) if len(self.shapes) else None
            found = cast("TemplateResidualDetector", self.detectors[i]).context(cloud)
            measured.append(Context(*found, usual))
        return min(measured, key=lambda context: float(context.channels[:, 0].mean()))

    def _fitted(
        self, clouds: Sequence[FloatArray], shapes: Sequence[_LocalShape | None]
    ) -> tuple[TemplateResidualDetector, UsualShape | None]:
        detector = self._empty()
        detector.fit(clouds)
        known = [shape for shape in shapes if shape is not None]
        if not known:
            return detector, None
        usual = UsualShape()
        places = [detector.straightened(shape.points) for shape in known]
        usual.fit(places, [shape.shapes for shape in known])
        return detector, usual

    def _empty(self) -> TemplateResidualDetector:
        return TemplateResidualDetector(scales=_SCALES, max_points=self.max_points, seed=self.seed)

    def get_extra_state(self) -> dict[str, Any]:
        """The categories, as plain data."""
        return {"categories": list(self.categories)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Make room for what the state holds; torch loads the children after this."""
        self._forget(tuple(state["categories"]))
