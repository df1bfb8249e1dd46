"""Every argument of every dataset and its default, declared once and without anomalib."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.categories import parse_categories, select_categories
from plane_anomalib.generation.manifests import (
    PROCEDURAL_CATEGORIES,
    ProceduralSpec,
    finished_categories,
)

ValidationSplit = Literal["synthetic", "from_train", "from_test", "same_as_test", "none"]
GeometrySource = Literal["pcd", "gt"]
"""See `plane_anomalib.data.clouds.CloudReader`."""


@dataclass(frozen=True)
class LoaderSettings:
    """How clouds are split, drawn and batched; the same for all datasets.

    Args:
        train_batch_size: Clouds per training batch.
        eval_batch_size: Clouds per validation, test and prediction batch; clouds are large.
        num_workers: Loader processes; 0 reads in the main process.
        val_split_mode: What validates. `"synthetic"`: clouds held out of training, as they are and
            corrupted by Ano3D (see `data.validation`); `"from_train"`: those alone, all normal;
            `"same_as_test"`, `"from_test"`: the test set, so that thresholds are not honest;
            `"none"`: nothing, and every training cloud trains.
        val_split_ratio: Share of each category's training clouds (of the test clouds for
            `"from_test"`) that validates: at least one, never all.
        val_variants: Draws per held-out cloud and label; by default enough for 16 normal and 16
            anomalous clouds.
        samples_per_epoch: Training clouds per epoch, repeated with new randomness; by default each
            cloud once.
        seed: Of the order, the transform, the split and the synthetic anomalies.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    train_batch_size: int = 4
    eval_batch_size: int = 1
    num_workers: int = 0
    val_split_mode: ValidationSplit = "synthetic"
    val_split_ratio: float = 0.25
    val_variants: int | None = None
    samples_per_epoch: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in {"train_batch_size": 1, "eval_batch_size": 1, "num_workers": 0}.items():
            _check_whole(name, getattr(self, name), least)
        _check_whole("seed", self.seed, 0)
        for name in ("val_variants", "samples_per_epoch"):
            if getattr(self, name) is not None:
                _check_whole(name, getattr(self, name), 1)
        check_share(self.val_split_ratio)
        # An enumeration's member, as anomalib has it, counts as its value.
        mode = str(getattr(self.val_split_mode, "value", self.val_split_mode)).lower()
        if mode not in get_args(ValidationSplit):
            listing = ", ".join(get_args(ValidationSplit))
            raise ConfigurationError(f"val_split_mode must be one of {listing}, not {mode!r}.")
        object.__setattr__(self, "val_split_mode", mode)


@dataclass(frozen=True)
class AnomalyShapeNetSettings:
    """Arguments of `AnomalyShapeNet`.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list; `phone0` of the papers is
            `microphone0`, `jar` is `jar0`.
        subset: `"40"` loads the categories of the papers' tables, `"52"` the twelve new ones too.
        geometry_source: `"pcd"`, or `"gt"` for parity with published code (it leaks the label).
    """

    root: Path | str = "./datasets/Anomaly-ShapeNet"
    category: str | list[str] = "all"
    subset: Literal["40", "52"] = "40"
    geometry_source: GeometrySource = "pcd"
    loading: LoaderSettings = field(default_factory=LoaderSettings)

    def __post_init__(self) -> None:
        if str(self.subset) not in {"40", "52"}:
            raise ConfigurationError(f"subset must be '40' or '52', not {self.subset!r}.")
        _check_geometry_source(self.geometry_source)


@dataclass(frozen=True)
class Real3DADSettings:
    """Arguments of `Real3DAD`.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list; `candy` is `candybar`.
        geometry_source: `"pcd"`, or `"gt"` for parity with published code (it leaks the label).
    """

    root: Path | str = "./datasets/Real3D-AD"
    category: str | list[str] = "all"
    geometry_source: GeometrySource = "pcd"
    loading: LoaderSettings = field(default_factory=LoaderSettings)

    def __post_init__(self) -> None:
        _check_geometry_source(self.geometry_source)


@dataclass(frozen=True)
class MulSenADSettings:
    """Arguments of `MulSenAD`.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list.
    """

    root: Path | str = "./datasets/MulSen_AD"
    category: str | list[str] = "all"
    loading: LoaderSettings = field(default_factory=LoaderSettings)


@dataclass(frozen=True)
class MiniShiftSettings:
    """Arguments of `MiniShift`.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name, names separated by commas, or a list.
        level: Which anomalous test clouds: `"all"`, `"easy"`, `"medium"` or `"hard"`; the good ones
            are always there.
    """

    root: Path | str = "./datasets/MiniShift"
    category: str | list[str] = "all"
    level: Literal["all", "easy", "medium", "hard"] = "all"
    loading: LoaderSettings = field(default_factory=LoaderSettings)

    def __post_init__(self) -> None:
        if str(self.level).lower() not in ("all", "easy", "medium", "hard"):
            raise ConfigurationError(
                f"level must be 'all', 'easy', 'medium' or 'hard', not {self.level!r}."
            )


@dataclass(frozen=True)
class PointCloudFolderSettings:
    """Arguments of `PointCloudFolder`.

    Args:
        root: The folder.
        name: The dataset's name in paths of results, and the category if there is one only; by
            default the root folder's name.
        common_pose: Whether all scans of a category lie the same way (a fixture holds them), which
            a model may then rely on.
        one_sided: Whether test scans show one side of objects whose training scans are complete.
        category: `"all"`, a name, names separated by commas, or a list of names.
    """

    root: Path | str
    name: str | None = None
    common_pose: bool = False
    one_sided: bool = False
    category: str | list[str] = "all"
    loading: LoaderSettings = field(default_factory=LoaderSettings)


@dataclass(frozen=True)
class ProceduralShapesSettings:
    """Arguments of `ProceduralShapes`.

    Args:
        root: The dataset's folder.
        category: `"all"`, a name such as `vase0` or `vase`, names separated by commas, or a list.
        num_points: Mean number of points of a cloud; each has 0.8 to 1.2 times as many.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Standard deviation of each cloud's scale along each axis.
        noise: Standard deviation of the sensor noise, in extents of the object.
        data_seed: Of the files; `seed` is that of the loaders.
        geometry_source: See `AnomalyShapeNet`.
    """

    root: Path | str = "./datasets/procedural_shapes"
    category: str | list[str] = "all"
    num_points: int = 10_000
    num_good: int = 4
    num_per_defect: int = 1
    variation: float = 0.002
    noise: float = 0.0005
    data_seed: int = 0
    geometry_source: GeometrySource = "pcd"
    loading: LoaderSettings = field(default_factory=LoaderSettings)

    def __post_init__(self) -> None:
        _check_geometry_source(self.geometry_source)

    def spec(self) -> ProceduralSpec:
        """What decides the files' bytes.

        Raises:
            ConfigurationError: A value cannot work.
        """
        return ProceduralSpec(
            seed=self.data_seed,
            num_points=self.num_points,
            num_good=self.num_good,
            num_per_defect=self.num_per_defect,
            variation=self.variation,
            noise=self.noise,
        )

    @property
    def wanted(self) -> list[str]:
        """The categories that are asked for.

        Raises:
            ConfigurationError: There is none of that name.
        """
        return select_categories(
            parse_categories(self.category),
            PROCEDURAL_CATEGORIES,
            where="the procedural shapes",
            official=PROCEDURAL_CATEGORIES,
        )

    @property
    def is_on_disk(self) -> bool:
        """Whether every category that is asked for has been made."""
        return set(self.wanted) <= set(
            finished_categories(Path(self.root).expanduser(), self.spec())
        )


def check_share(share: float) -> None:
    """Refuse a share of clouds to hold out that leaves nothing on one side.

    Raises:
        ConfigurationError: It is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"val_split_ratio must be between 0 and 1, not {share}.")


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(
            f"{name} must be a whole number of at least {least}, not {value!r}."
        )


def _check_geometry_source(value: str) -> None:
    if value not in get_args(GeometrySource):
        raise ConfigurationError(f"geometry_source must be 'pcd' or 'gt', not {value!r}.")
