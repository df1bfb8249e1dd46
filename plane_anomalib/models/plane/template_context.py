"""What PLANE may know of the normal specimens themselves: how far a cloud lies from them.

With this, PLANE is no longer template-free at test time; tables have to say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import nn

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import shuffled_order
from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.deviations import num_context_channels
from plane_anomalib.models.template_residual.torch_model import Context, TemplateResidualDetector

_SCALES = (6, 16, 48)
_MOST_POINTS = 100_000
"""Of a training cloud; scans of millions would make each of its views slow."""
CONTEXT_CHANNELS = num_context_channels(len(_SCALES))


@dataclass(frozen=True)
class Rehearsal:
    """A training cloud, and what measures it as if it were new.

    Attributes:
        cloud: (N, 3) as it lies on the other specimens.
        detector: Knows only those.
    """

    cloud: FloatArray
    detector: TemplateResidualDetector


class TemplateContext(nn.Module):
    """The normal specimens of every category, each a fitted `TemplateResidualDetector`.

    Args:
        max_points: Larger clouds are measured at so many points and interpolated.
        seed: Of every draw.
        sides: What a cloud shows, see `TemplateResidualConfig`.
    """

    def __init__(
        self,
        max_points: int = 20_000,
        seed: int = 0,
        sides: Literal["auto", "whole", "one"] = "auto",
    ) -> None:
        super().__init__()
        self.max_points, self.seed, self.sides = max_points, seed, sides
        self.categories: tuple[str, ...] = ()
        self.detectors = nn.ModuleList()

    def fit(
        self,
        clouds: Iterable[tuple[str, Mapping[str, FloatArray]]],
        progress: Progress,
        total: int = 0,
    ) -> dict[str, Rehearsal]:
        """Learn the training clouds of each category.

        A training cloud measured against itself would deviate nowhere, and training is to see what
        a new specimen shows: each has a detector of its own that knows only the others, or half of
        the cloud where there are none.

        Args:
            clouds: Each category with its training clouds by name, no name twice.
            progress: Is told after each cloud.
            total: How many clouds there are; 0 where it is not known.

        Returns:
            For each training cloud, by its name, its rehearsal. They are for training alone and
            not kept.
        """
        names, rehearsals = [], {}
        self.detectors = nn.ModuleList()
        progress.start("Comparing specimens", total)
        for category, named in clouds:
            names.append(category)
            self.detectors.append(self._fitted([*named.values()]))
            for name in named:
                rehearsals[name] = self._rehearsal(name, named)
                progress.advance()
        self.categories = tuple(names)
        return rehearsals

    def _rehearsal(self, name: str, clouds: Mapping[str, FloatArray]) -> Rehearsal:
        own = clouds[name]
        others = [cloud for other, cloud in clouds.items() if other != name]
        if not others:
            others = [own[shuffled_order(own, self.seed, first=-(-len(own) // 2))]]
        detector = self._fitted(others)
        some = own[shuffled_order(own, self.seed, first=_MOST_POINTS)]
        return Rehearsal(detector.laid(some), detector)

    def measured(self, cloud: FloatArray, category: str) -> Context:
        """How far each point of a test cloud lies from its category's normal specimens.

        Args:
            cloud: (N, 3) in the object's own units, in any pose.
            category: The cloud's; one that is not known is taken for that to which the cloud looks
                most normal.

        Returns:
            Channels (N, `CONTEXT_CHANNELS`) and what can be said of the sides that it shows.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        if not self.categories:
            raise ConfigurationError("PLANE knows no normal specimen yet: train it first.")
        known = [self.categories.index(category)] if category in self.categories else None
        detectors = [self.detectors[i] for i in known or range(len(self.categories))]
        measured = [cast("TemplateResidualDetector", each).context(cloud) for each in detectors]
        return min(measured, key=lambda context: float(context.channels[:, 0].mean()))

    def _fitted(self, clouds: Sequence[FloatArray]) -> TemplateResidualDetector:
        detector = self._empty()
        detector.fit(clouds)
        return detector

    def _empty(self) -> TemplateResidualDetector:
        return TemplateResidualDetector(
            TemplateResidualConfig(
                scales=_SCALES, max_points=self.max_points, seed=self.seed, sides=self.sides
            )
        )

    def get_extra_state(self) -> dict[str, Any]:
        """The categories, as plain data."""
        return {"categories": list(self.categories)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Make room for what the state holds; torch loads the children after this."""
        self.categories = tuple(state["categories"])
        self.detectors = nn.ModuleList(self._empty() for _ in self.categories)
