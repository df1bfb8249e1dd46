"""One cloud and a packed, ragged batch of clouds.

A batch holds its clouds end to end: `points (sum N, 3)` with `lengths (B,)`, and every per-point
array shares that first axis. Nothing is padded, so a cloud of 500 points beside one of two million
costs what its points cost, and anomalib's own code (which flattens maps) sees real points only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import torch
from anomalib.data.dataclasses.generic import (
    FieldDescriptor,
)
from anomalib.data.dataclasses.torch.base import Batch, DatasetItem
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError

_PER_POINT = ("points", "features", "gt_mask", "anomaly_map", "pred_mask")
_PER_CLOUD = ("gt_label", "pred_score", "pred_label")
_TEXT = ("category", "path", "defect")


def _to_bool(value: object) -> Tensor | None:
    return None if value is None else torch.as_tensor(value).bool()


def _to_float(value: object) -> Tensor | None:
    return None if value is None else torch.as_tensor(value).float()


class _Validators:
    """The validators that anomalib's field descriptors call on assignment."""

    @staticmethod
    def validate_image(image: object) -> None:
        """A point cloud has no image; anomalib's base fields ask for one."""
        if image is not None:
            msg = "A point-cloud batch has no image; give `points`."
            raise ConfigurationError(msg)

    validate_gt_label = staticmethod(_to_bool)
    validate_gt_mask = staticmethod(_to_bool)
    validate_pred_label = staticmethod(_to_bool)
    validate_pred_mask = staticmethod(_to_bool)
    validate_pred_score = staticmethod(_to_float)
    validate_anomaly_map = staticmethod(_to_float)

    @staticmethod
    def validate_mask_path(mask_path: Any) -> Any:
        """Accept the path (item) or paths (batch) as they are."""
        return mask_path

    @staticmethod
    def validate_explanation(explanation: Any) -> Any:
        """Accept the text (item) or texts (batch) as they are."""
        return explanation


# A data descriptor that dataclasses read through the class, so one object serves both classes.
_OPTIONAL_IMAGE: Any = FieldDescriptor(validator_name="validate_image")


@dataclass(kw_only=True)
class _NoImage:
    """Overrides anomalib's compulsory image by an optional one that stays empty."""

    image: FieldDescriptor[Tensor | None] = _OPTIONAL_IMAGE


def _check_points(points: Tensor) -> Tensor:
    points = torch.as_tensor(points)
    if points.ndim != 2 or points.shape[-1] != 3:
        msg = f"points must have the shape (N, 3), not {tuple(points.shape)}."
        raise ConfigurationError(msg)
    return points.float()


@dataclass(kw_only=True)
class PointCloudItem(_NoImage, _Validators, DatasetItem):
    """One cloud.

    Attributes:
        points: `(N, 3) float32`, in the object's own units.
        features: `(N, C) float32`, channels that a model's own transform computed, else `None`.
        gt_mask: `(N,) bool`, true on anomalous points; `None` where unknown.
        gt_label: Scalar bool, true for an anomalous cloud; `None` where unknown.
        category: The object's class ("bowl0"); PLANE makes its text prompt of it.
        path: The file that the cloud came from.
        defect: The kind of defect as the file name says it, "good" without one.
    """

    points: Tensor
    features: Tensor | None = None
    category: str = ""
    path: str = ""
    defect: str = ""

    def __post_init__(self) -> None:
        self.points = _check_points(self.points)
        for name in _PER_POINT[1:]:
            value = getattr(self, name)
            if value is not None and len(value) != len(self.points):
                msg = (
                    f"{self.path or 'cloud'}: {name} has {len(value)} entries for "
                    f"{len(self.points)} points."
                )
                raise ConfigurationError(msg)

    @property
    def image_path(self) -> str:
        """The cloud's file under the name that anomalib looks for."""
        return self.path


@dataclass(kw_only=True)
class PointCloudBatch(_NoImage, _Validators, Batch):
    """Clouds packed end to end.

    Attributes:
        points: `(sum N, 3) float32`.
        lengths: `(B,) int64`, how many points each cloud has.
        features: `(sum N, C) float32`, channels that a model's own transform computed, or `None`.
        gt_mask: `(sum N,) bool`; `None` if no cloud's point truth is known.
        gt_label: `(B,) bool`; `None` if any cloud's label is unknown.
        mask_known: `(B,) bool`, which clouds `gt_mask` speaks of (it is false on the points of the
            others); `None` stands for all.
        anomaly_map: `(sum N,) float32`, one score per input point, in input order.
        pred_mask: `(sum N,) bool`.
        pred_score: `(B,) float32`.
        pred_label: `(B,) bool`.
        category: One name per cloud.
        path: One file per cloud.
        defect: One kind per cloud.
    """

    item_class: ClassVar[Callable[..., PointCloudItem]] = PointCloudItem

    points: Tensor
    lengths: Tensor
    features: Tensor | None = None
    mask_known: Tensor | None = None
    category: Sequence[str] = ()
    path: Sequence[str] = ()
    defect: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.points = _check_points(self.points)
        self.lengths = torch.as_tensor(self.lengths, dtype=torch.int64)
        total = int(self.lengths.sum())
        for name in _PER_POINT:
            value = getattr(self, name)
            if value is not None and len(value) != total:
                msg = f"{name} has {len(value)} entries, the lengths sum to {total}."
                raise ConfigurationError(msg)
        for name in (*_PER_CLOUD, "mask_known", *_TEXT):
            value = getattr(self, name)
            if name in _TEXT and not value:
                setattr(self, name, [""] * self.batch_size)
            elif value is not None and len(value) != self.batch_size:
                msg = f"{name} has {len(value)} entries for {self.batch_size} clouds."
                raise ConfigurationError(msg)

    @property
    def batch_size(self) -> int:
        """The number of clouds."""
        return len(self.lengths)

    def __len__(self) -> int:
        """The number of clouds."""
        return self.batch_size

    @property
    def image_path(self) -> list[str]:
        """The clouds' files under the name that anomalib looks for."""
        return list(self.path)

    @property
    def batch_index(self) -> Tensor:
        """`(sum N,) int64`: which cloud each point belongs to."""
        clouds = torch.arange(self.batch_size, device=self.lengths.device)
        return torch.repeat_interleave(clouds, self.lengths)

    def split(self, values: Tensor) -> tuple[Tensor, ...]:
        """Cut a per-point array `(sum N, ...)` into one array per cloud."""
        return torch.split(values, self.lengths.tolist())

    @property
    def items(self) -> list[PointCloudItem]:
        """The clouds one by one (views, not copies)."""
        packed = {
            name: self.split(value)
            for name in _PER_POINT
            if (value := getattr(self, name)) is not None
        }
        single = {
            name: value
            for name in (*_PER_CLOUD, *_TEXT, "mask_path", "explanation")
            if (value := getattr(self, name)) is not None
        }
        clouds = [
            PointCloudItem(**{name: value[i] for name, value in {**packed, **single}.items()})
            for i in range(self.batch_size)
        ]
        for cloud, known in zip(clouds, self.masks_known, strict=True):
            cloud.gt_mask = cloud.gt_mask if known else None
        return clouds

    @property
    def masks_known(self) -> list[bool]:
        """Per cloud, whether `gt_mask` speaks of it."""
        if self.gt_mask is None or self.mask_known is None:
            return [self.gt_mask is not None] * self.batch_size
        return self.mask_known.tolist()

    def __iter__(self) -> Iterator[PointCloudItem]:
        """The clouds one by one."""
        yield from self.items

    @classmethod
    def collate(cls, items: Sequence[PointCloudItem]) -> PointCloudBatch:
        """Pack clouds of any sizes; but for `gt_mask`, a field that any cloud lacks is left out.

        Args:
            items: At least one cloud.
        """
        gathered: dict[str, Any] = {
            "points": torch.cat([item.points for item in items]),
            "lengths": torch.tensor([len(item.points) for item in items]),
        }
        for name in (*_PER_POINT[1:], *_PER_CLOUD):
            values = [getattr(item, name) for item in items]
            if all(value is not None for value in values):
                join = torch.cat if name in _PER_POINT else torch.stack
                gathered[name] = join(cast("list[Tensor]", values))
        for name in (*_TEXT, "mask_path"):
            values = [getattr(item, name) for item in items]
            if any(value is not None for value in values):
                gathered[name] = values
        masks = [item.gt_mask for item in items]
        known = [mask is not None for mask in masks]
        if any(known) and not all(known):
            empty = [torch.zeros(len(item.points), dtype=torch.bool) for item in items]
            pairs = zip(masks, empty, strict=True)
            gathered["gt_mask"] = torch.cat([b if mask is None else mask for mask, b in pairs])
            gathered["mask_known"] = torch.tensor(known)
        return cls(**gathered)

    def pin_memory(self) -> PointCloudBatch:
        """Copy the tensors into page-locked memory (called by a loader for a GPU)."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                setattr(self, field.name, value.pin_memory())
        return self
