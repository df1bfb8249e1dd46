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
from plane_anomalib.models.components.recipe import Sampling


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


def thinned(cloud: FloatArray, sampling: Sampling) -> FloatArray:
    """The cloud that neighbourhoods are taken from."""
    if sampling.stride > 1:
        return cloud
    shuffled = cloud[shuffled_order(cloud)]
    if sampling.voxel is None:
        return shuffled
    own = (shuffled - shuffled.mean(0, dtype=np.float64)) @ principal_frame(shuffled)
    within = (own - own.min(0)) / sampling.voxel % 1.0
    central = np.argsort(np.square(within - 0.5).sum(1), kind="stable")
    kept = central[voxel_downsample(own[central], sampling.voxel)]
    return shuffled[np.sort(kept)]


def chosen(cloud: FloatArray, sampling: Sampling) -> IntArray:
    """Indices into a thinned cloud."""
    every = np.arange(0, len(cloud), sampling.stride)
    return every if sampling.most is None else every[: sampling.most]


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
        sparse = thinned(cloud, sampling)
        places = np.ascontiguousarray(sparse[chosen(sparse, sampling)])
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
        sparse = thinned(cloud, sampling)
        places = chosen(sparse, sampling)
        normals = None
        if self.oriented:
            normals = surface_normals(sparse, radius=self.normal_radius, oriented=False)
            normals = orient_outward(normals, sparse, np.zeros(3))
        values = fpfh(
            sparse,
            queries=places,
            normal_radius=self.normal_radius,
            radius=self.radius,
            oriented=False,
            normals=normals,
        )
        return Described(sparse[places], torch.from_numpy(values))


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
