"""What the rows of a memory bank describe, and at which points of a cloud."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.geometry.fpfh import fpfh
from plane_anomalib.geometry.normals import orient_outward, surface_normals
from plane_anomalib.geometry.points import FloatArray, IntArray, principal_frame
from plane_anomalib.geometry.sampling import shuffled_order, voxel_downsample


class Described(NamedTuple):
    """Some places of a cloud and what they look like.

    Attributes:
        places: `(M, 3) float32`.
        values: `(M, D) float32`.
    """

    places: FloatArray
    values: Tensor


class Descriptor(Protocol):
    """Describes a cloud; all clouds of a bank are in the same units."""

    def __call__(self, cloud: FloatArray, *, fitting: bool) -> Described:
        """Describe a cloud.

        Args:
            cloud: `(N, 3) float32`.
            fitting: Whether the rows are for the bank, not to be looked up in it.
        """


@dataclass(frozen=True)
class Sampling:
    """Which points are described.

    Attributes:
        stride: Every so-manieth point in file order, as the reference code does; the result
            depends on that order.
        most: At most so many points, chosen by a hash of their coordinates, which no order changes.
        voxel: First thin the cloud to one point per cell of this edge, the one nearest to its
            center, so that the density of a scan does not matter; None leaves it. The cells lie
            along the cloud's own axes and turn with it.
    """

    stride: int = 1
    most: int | None = None
    voxel: float | None = None

    def thinned(self, cloud: FloatArray) -> FloatArray:
        """The cloud that neighbourhoods are taken from."""
        if self.stride > 1:
            return cloud
        shuffled = cloud[shuffled_order(cloud)]
        if self.voxel is None:
            return shuffled
        own = (shuffled - shuffled.mean(0, dtype=np.float64)) @ principal_frame(shuffled)
        within = (own - own.min(0)) / self.voxel % 1.0
        central = np.argsort(np.square(within - 0.5).sum(1), kind="stable")
        kept = central[voxel_downsample(own[central], self.voxel)]
        return shuffled[np.sort(kept)]

    def chosen(self, thinned: FloatArray) -> IntArray:
        """Indices into the thinned cloud."""
        every = np.arange(0, len(thinned), self.stride)
        return every if self.most is None else every[: self.most]


@dataclass(frozen=True)
class Coordinates:
    """The raw coordinates: BTF (raw), and where on the object a point of an aligned cloud lies.

    Attributes:
        fit: Which points fill the bank.
        query: Which points are looked up.
    """

    fit: Sampling
    query: Sampling

    def __call__(self, cloud: FloatArray, *, fitting: bool) -> Described:
        """See `Descriptor`."""
        sampling = self.fit if fitting else self.query
        thinned = sampling.thinned(cloud)
        places = np.ascontiguousarray(thinned[sampling.chosen(thinned)])
        return Described(places, torch.from_numpy(places))


@dataclass(frozen=True)
class Fpfh:
    """Fast point feature histograms.

    Attributes:
        fit: Which points fill the bank.
        query: Which points are looked up.
        normal_radius: Of the neighbourhoods of normals (at most 30 neighbours).
        radius: Of the histograms' neighbourhoods (at most 100 neighbours).
        oriented: Turn normals away from the origin, where aligned clouds have their centroid (one
            side of an object that of the whole); without it a rotation changes a third of the
            signs.
    """

    fit: Sampling
    query: Sampling
    normal_radius: float
    radius: float
    oriented: bool = True

    def __call__(self, cloud: FloatArray, *, fitting: bool) -> Described:
        """See `Descriptor`."""
        sampling = self.fit if fitting else self.query
        thinned = sampling.thinned(cloud)
        chosen = sampling.chosen(thinned)
        normals = None
        if self.oriented:
            normals = surface_normals(thinned, radius=self.normal_radius, oriented=False)
            normals = orient_outward(normals, thinned, np.zeros(3))
        values = fpfh(
            thinned,
            queries=chosen,
            normal_radius=self.normal_radius,
            radius=self.radius,
            oriented=False,
            normals=normals,
        )
        return Described(thinned[chosen], torch.from_numpy(values))


@dataclass(frozen=True, eq=False)
class TransformerFeatures:
    """Features of a frozen point transformer at the centers of its groups.

    Attributes:
        encoder: The transformer.
        num_groups: Groups per cloud.
        group_size: Points per group.
        layers: 0-based blocks whose outputs are joined.
        most_points: Points that are grouped, chosen by a hash of their coordinates; None takes all
            in file order, as the reference code does.
        training_mode: Leave the network in training mode, as the reference code does: it normalises
            by the statistics of the cloud instead of by those of the pretraining, and drops
            branches at random, the same for the same cloud.
    """

    encoder: PointTransformer
    num_groups: int
    group_size: int
    layers: Sequence[int]
    most_points: int | None = None
    training_mode: bool = False

    @torch.no_grad()
    def __call__(self, cloud: FloatArray, *, fitting: bool) -> Described:
        """See `Descriptor`."""
        del fitting
        if self.most_points is not None:
            cloud = cloud[shuffled_order(cloud)[: self.most_points]]
        generator = None
        if self.training_mode:
            generator = torch.Generator().manual_seed(zlib.crc32(cloud.tobytes()))
        device = self.encoder.norm.weight.device
        values, made_of = self.encoder.dense_features(
            torch.from_numpy(cloud)[None].to(device),
            layers=self.layers,
            num_groups=self.num_groups,
            group_size=self.group_size,
            as_training=generator,
        )
        return Described(made_of.centers[0].cpu().numpy(), values[0].cpu())
