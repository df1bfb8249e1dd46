"""PLANE for anomalib: trains, saves and configures `PlaneModel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from anomalib.data import InferenceBatch
from anomalib.metrics import Evaluator
from anomalib.models.components import AnomalibModule
from anomalib.visualization import Visualizer
from lightning.pytorch import Callback
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch import distributed as dist

from plane_anomalib.backbones.encoders import create_backbone
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import ItemTransform
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.generation.defects.corruption import RotationMode
from plane_anomalib.generation.defects.mixture import create_synthesis
from plane_anomalib.models.lightning.base import PointCloudMixin
from plane_anomalib.models.lightning.checkpoints import checkpoint_every_epoch
from plane_anomalib.models.plane.arguments import check_values, resolved
from plane_anomalib.models.plane.compatibility import check_arguments, check_resumed_data
from plane_anomalib.models.plane.loss import dice_loss, focal_loss
from plane_anomalib.models.plane.preparation import category_frames, sample_features
from plane_anomalib.models.plane.settings import PlaneSettings
from plane_anomalib.models.plane.template_context import Rehearsal
from plane_anomalib.models.plane.torch_model import PlaneModel
from plane_anomalib.models.plane.training import TrainingView

_STEPS_PER_EPOCH = 100


class Plane(PointCloudMixin, AnomalibModule):
    """PLANE: one model for all categories, taught by synthetic defects.

    "Exploiting Point-Language Models with Dual-Prompts for 3D Anomaly Detection". The defaults are
    those of `configs/models/plane.yaml`; `plane_paper.yaml` is the literal reading of the paper.

    Args:
        backbone: `"random"`, untrained and so far the better of ours; `"builtin"`, the package's
            trained one; the name of published weights (`plane-anomalib weights list`), or a
            file of them.
        backbone_precision: `"bf16"` holds the encoders in bfloat16, which halves their memory, and
            scores in it, adapters included; maps are float32 and near those of `"32"` (measured:
            within 0.004). Training goes by `precision`.
        num_points: Points of a view (paper: 2048).
        num_groups: Tokens of the point encoder; null as in its pretraining (paper: 512).
        point_tokens: Whether PCFA sees the point encoder's tokens; off, it judges each point by its
            geometry and place alone, `dynamic_prompts` have to be off too, and the encoder is not
            run. Null leaves them out with `template_context` and the encoder `"random"`.
        layers: 0-based blocks whose tokens become maps (paper: 2, 5, 8, 11; two cost half).
        text_prompt_length: Learnable text vectors per polarity, N.
        text_prompt_std: Standard deviation of their initial values.
        point_prompts: `"category"` for static point prompts per category, `"shared"` for one set.
        point_prompt_length: Learnable point vectors per polarity, M.
        dynamic_prompts: Whether DPCM adds prompts made from the cloud; null goes by `point_tokens`.
        dynamic_text_length: Dynamic text vectors.
        dynamic_point_length: Dynamic point vectors.
        dynamic_hidden: Hidden channels of DPCM.
        feature_adapter: `"pcfa"`; `"linear"` is PCFA off (Table 4); `"vpt-shallow"` and
            `"vpt-deep"` put prompts into the encoder instead (Table 5).
        adapter_hidden: Hidden channels of PCFA's FFN.
        adapter_depth: Hidden layers of PCFA's FFN.
        token_norm: LayerNorm without affine before the FFN; off feeds raw tokens.
        local_geometry: Feed local shape features of the full cloud to PCFA.
        local_scales: Neighbours per scale for a cloud of 12,000 points.
        template_context: Feed how far each point deviates from the category's normal specimens,
            aligned and measured as `TemplateResidual` does; off, PLANE is template-free at test
            time, as in the paper.
        pose: How PCFA knows where on the object a point lies, and which prompts of the category's
            places to take: `"common"`, all clouds of a category lie the same way; `"principal"`,
            by the cloud's own axes; `"none"`; `"auto"`, common if the dataset says so, else
            principal.
        place_octaves: Sines and cosines per coordinate.
        place_resolutions: Cells along an edge of the grids that hold the prompts of places.
        place_channels: Channels of such a prompt.
        resolution: `"groups"` makes maps at the group centers and interpolates probabilities, as
            the paper does; `"points"` interpolates tokens and makes maps at every point of a view.
        temperature: Of eq. 6 (paper: 1).
        learnable_temperature: Train it.
        focal_weight: Weight of the focal loss; 0 turns it off (Table 6).
        focal_gamma: Its gamma.
        dice_weight: Weight of the dice loss; 0 turns it off.
        dice_smooth: Its smoothing.
        object_score: `"max"` (paper); `"top"`, the mean of the highest `object_score_share`; or,
            with `template_context`, `"deviation"`: each point's deviation from the normal specimens
            times the probability that it is anomalous, the mean of the 10 highest. Null takes
            `"deviation"` where it can, else `"top"`.
        object_score_share: Share of the points.
        num_views: Views per cloud at test time; each sees other points.
        unknown_category: `"mean"` prompts with a warning, or `"error"`.
        synthesis: `"ano3d"` or `"ano3d-literal"` (paper), `"extended"`, or `"none"` (Table 4,
            Ano3D off).
        rotation: Training rotation: `"so3"` (paper), `"z"`, `"none"`, or `"auto"`: none where all
            clouds lie the same way, else so3.
        one_sided: Whether `"extended"` cuts training clouds to what one side shows; `"auto"` takes
            the dataset's word for how test scans look.
        views_per_cloud: Training views of each damaged cloud; null takes 2 with `template_context`,
            where to damage and to measure a cloud costs several times what a view does, else 1.
        extra_points: Further points per training view, on the defect where there is one, that the
            loss sees and the encoder does not.
        learning_rate: Of PCFA and its prompts (paper: 1e-4).
        prompt_learning_rate: Of DPCM and the text prompts (paper: 1e-5).
        place_learning_rate: Of the prompts of places.
        gradient_clip: Largest norm of the gradient; null for any (paper).
        weight_decay: Of all but the prompts of places.
        schedule: `"constant"` (paper) or `"one-cycle"`.
        max_steps: Training steps; -1 goes by `max_epochs` alone, and null takes 250 with
            `template_context`, whose views take longer to make and teach more, else 1500.
        max_epochs: Training epochs; -1 goes by `max_steps` alone.
        precision: `"auto"` trains in bfloat16 where the processor has it; else `"32"`, `"bf16"`.
        seed: Of weights, prompts and the points chosen at test time.
        pre_processor: As in anomalib; the default is none.
        post_processor: As in anomalib.
        evaluator: As in anomalib.
        visualizer: As in anomalib.

    Raises:
        ConfigurationError: An argument cannot work.
        WeightsError: The backbone's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {
        "num_points": 128,
        "extra_points": 16,
        "num_groups": 16,
        "num_views": 2,
        "adapter_hidden": 32,
        "max_steps": 2,
    }

    def __init__(
        self,
        backbone: str = "random",
        backbone_precision: Literal["32", "bf16"] = "32",
        num_points: int = 2048,
        num_groups: int | None = 64,
        point_tokens: bool | None = None,
        layers: Sequence[int] = (5, 11),
        text_prompt_length: int = 6,
        text_prompt_std: float = 0.02,
        point_prompts: Literal["category", "shared"] = "category",
        point_prompt_length: int = 4,
        dynamic_prompts: bool | None = None,
        dynamic_text_length: int = 1,
        dynamic_point_length: int = 1,
        dynamic_hidden: int = 192,
        feature_adapter: Literal["pcfa", "linear", "vpt-shallow", "vpt-deep"] = "pcfa",
        adapter_hidden: int = 256,
        adapter_depth: int = 2,
        token_norm: bool = True,
        local_geometry: bool = True,
        local_scales: Sequence[int] = (16, 48, 128, 320),
        template_context: bool = True,
        pose: Literal["auto", "common", "principal", "none"] = "auto",
        place_octaves: int = 6,
        place_resolutions: Sequence[int] = (8, 16, 32, 64, 128),
        place_channels: int = 4,
        resolution: Literal["groups", "points"] = "points",
        temperature: float = 0.07,
        learnable_temperature: bool = True,
        focal_weight: float = 1.0,
        focal_gamma: float = 2.0,
        dice_weight: float = 1.0,
        dice_smooth: float = 1.0,
        object_score: Literal["max", "top", "deviation"] | None = None,
        object_score_share: float = 0.01,
        num_views: int = 4,
        unknown_category: Literal["mean", "error"] = "mean",
        synthesis: Literal["ano3d", "ano3d-literal", "extended", "none"] = "extended",
        rotation: Literal["auto", "so3", "z", "none"] = "auto",
        one_sided: bool | Literal["auto"] = "auto",
        views_per_cloud: int | None = None,
        extra_points: int = 256,
        learning_rate: float = 2e-3,
        prompt_learning_rate: float = 2e-3,
        place_learning_rate: float = 1e-2,
        gradient_clip: float | None = 1.0,
        weight_decay: float = 1e-2,
        schedule: Literal["constant", "one-cycle"] = "one-cycle",
        max_steps: int | None = None,
        max_epochs: int = -1,
        precision: Literal["auto", "32", "bf16"] = "auto",
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        arguments = resolved(dict(locals()))
        check_values(Plane.__init__, arguments)
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        settings = PlaneSettings.from_arguments(arguments)
        dtype = torch.bfloat16 if backbone_precision == "bf16" else torch.float32
        # Where its tokens are left out, that the encoder is untrained is no news.
        encoders = create_backbone(backbone, dtype=dtype, warn=settings.point_tokens)
        self.model = PlaneModel(encoders, settings, seed=seed)
        self.seed = seed
        self._steps: int = arguments["max_steps"]
        self._views_per_cloud: int = arguments["views_per_cloud"]
        self._rehearsals: dict[str, Rehearsal] = {}

    def train_transform(self, datamodule: PointCloudDataModule) -> ItemTransform:
        """Views with synthetic defects, made in the loader's workers."""
        h = self.hparams
        one_sided = datamodule.one_sided_tests if h.one_sided == "auto" else h.one_sided
        common = self.model.pose == "common"
        rotation: RotationMode = h.rotation
        if h.rotation == "auto":
            rotation = "none" if common else "so3"
        measured = self.model.template_context is not None
        return TrainingView(
            inputs=self.model.inputs(),
            synthesis=create_synthesis(
                h.synthesis,
                # What is measured has to lie on the specimens until then.
                rotation="none" if measured else rotation,
                one_sided=one_sided,
                measured=measured,
            ),
            views=self._views_per_cloud,
            extra_points=h.extra_points,
            frames=self.model.frames() if common else {},
            rehearsals=self._rehearsals,
            rotation=rotation,
        )

    def setup(self, stage: str) -> None:
        """Learn categories, their frames and the scale of the geometry channels, then the rest."""
        if stage == "fit":
            self._learn_data(self.point_cloud_datamodule)
        super().setup(stage)
        if stage == "fit" and self.model.settings.inputs.channels:
            data = self.point_cloud_datamodule.train_data
            self.model.calibrate(sample_features(data, self.seed))

    def _learn_data(self, datamodule: PointCloudDataModule) -> None:
        if self._steps > 0 and datamodule.samples_per_epoch is None:
            # A category has four clouds: epochs of one pass each would be all overhead.
            datamodule.samples_per_epoch = _STEPS_PER_EPOCH * datamodule.train_batch_size
        model = self.model
        model.set_categories(datamodule.categories)
        if self.hparams.pose == "auto":
            model.pose = "common" if datamodule.common_pose else "principal"
        if model.pose == "common":
            model.set_frames(category_frames(datamodule.train_data))
        if model.template_context is not None:
            self._rehearsals = model.template_context.fit(datamodule.train_data)

    def training_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> STEP_OUTPUT:
        """Focal and dice loss of the mean map (eq. 7)."""
        del args, kwargs
        h = self.hparams
        if batch.features is None or batch.gt_mask is None:
            raise ConfigurationError(
                "PLANE trains on views that its own transform made: leave the datamodule's "
                "training transform to it."
            )
        views = self._views_per_cloud
        points = batch.points.view(batch.batch_size * views, -1, 3)
        categories = [name for name in batch.category for _ in range(views)]
        # Not -1 for the number of points: there may be no channels.
        features = batch.features.view(*points.shape[:2], batch.features.shape[-1])
        target = batch.gt_mask.view(points.shape[:2]).float()
        bf16 = _wants_bf16(h.precision, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            maps = self.model.maps(points, features, categories)
        focal = focal_loss(maps, target, h.focal_gamma)
        dice = dice_loss(maps, target, h.dice_smooth)
        loss = h.focal_weight * focal + h.dice_weight * dice
        if dist.is_available() and dist.is_initialized():
            loss = loss + self._touch_all()
        self.log("loss", loss, prog_bar=True, batch_size=batch.batch_size)
        return loss

    def _touch_all(self) -> Tensor:
        """Zero, with every learnable parameter in it.

        Distributed training waits for the gradient of each; prompts that an ablation turns off
        would be waited for in vain.
        """
        return torch.stack([0.0 * p.sum() for p in self.parameters() if p.requires_grad]).sum()

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        """Scores of all points; see `PlaneModel.forward`."""
        return self.model(batch.points, batch.lengths, batch.category)

    def configure_optimizers(self) -> Any:
        """AdamW (Adam where `weight_decay` is 0) with three rates, see the arguments."""
        h, model = self.hparams, self.model
        prompts = _parameters(model.text_prompts, model.dynamic)
        places = _parameters(model.place_prompts)
        taken = {id(p) for p in (*prompts, *places)}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
        groups: list[dict[str, Any]] = [
            {"params": rest, "lr": h.learning_rate},
            {"params": prompts, "lr": h.prompt_learning_rate},
            # Decay would forget places that few views show.
            {"params": places, "lr": h.place_learning_rate, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.AdamW(groups, weight_decay=h.weight_decay)
        if h.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in groups],
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """Length of training; validation once, at its end, where thresholds are found."""
        h = self.hparams
        steps, epochs = max(self._steps, 0), max(h.max_epochs, 0)
        # Batches over all epochs, or epochs; after every epoch if either may come first.
        by_steps = steps and not epochs
        return {
            "max_steps": steps or -1,
            "max_epochs": epochs or -1,
            "val_check_interval": steps if by_steps else 1.0,
            "check_val_every_n_epoch": None if by_steps else 1 if steps else epochs,
            "num_sanity_val_steps": 0,
            "gradient_clip_val": h.gradient_clip,
        }

    def configure_callbacks(self) -> list[Callback]:
        """Add a checkpoint per epoch to resume from."""
        return [*super().configure_callbacks(), *checkpoint_every_epoch(self.trainer)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was learnt of the data: the categories, and how their clouds lie."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["plane_categories"] = list(self.model.categories)
        checkpoint["plane_pose"] = self.model.pose

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the prompts of the categories that were trained on.

        Raises:
            ConfigurationError: The checkpoint is of another model, or of other arguments or data.
        """
        super().on_load_checkpoint(checkpoint)
        if "plane_categories" not in checkpoint:
            raise ConfigurationError(
                "The checkpoint is not one of Plane: give --ckpt_path of a run of Plane."
            )
        resumed = self._trainer is not None and self.trainer.training
        backbone = self.model.backbone.state_dict()
        check_arguments(checkpoint, self.hparams, backbone, resumed=resumed)
        if resumed:
            check_resumed_data(checkpoint, self.model.categories, self.model.pose)
        self.model.set_categories(checkpoint["plane_categories"])
        self.model.pose = checkpoint["plane_pose"]


def _parameters(*modules: nn.Module | None) -> list[nn.Parameter]:
    return [p for module in modules if module is not None for p in module.parameters()]


def _wants_bf16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bf16"
    # Without the instructions bfloat16 is emulated, slower than float32.
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and bool(supported())
