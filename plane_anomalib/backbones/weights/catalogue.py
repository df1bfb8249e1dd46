"""Published weights that the encoders of this package can use: facts only, nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from plane_anomalib.core.errors import WeightsError, what_was_meant

WeightsKind = Literal["point-language", "point-encoder", "text-tower"]
UNKNOWN = "unknown"
WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors"})
"""Suffixes of files that weights can be read from."""
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face hub.

    Args:
        repository: `owner/name`.
        path: The file in it.
        repository_type: As the hub calls it.
        revision: Branch, tag or commit.
    """

    repository: str
    path: str
    repository_type: Literal["model", "dataset"] = "model"
    revision: str = "main"

    def __str__(self) -> str:
        """Its address in a browser."""
        kind = "datasets/" if self.repository_type == "dataset" else ""
        return f"{_HUB}/{kind}{self.repository}/resolve/{self.revision}/{self.path}"


@dataclass(frozen=True)
class EncoderShape:
    """The configuration that a file gives.

    Args:
        layers: Transformer blocks.
        width: Channels of a token.
        groups: Groups per cloud in pretraining (points); None for a text tower.
        group_size: Points per group in pretraining; None for a text tower.
        joint: Channels of the space shared with text; None if there is none.
        class_token: Whether a learned token stands for the cloud.
    """

    layers: int
    width: int
    groups: int | None = None
    group_size: int | None = None
    joint: int | None = None
    class_token: bool = True

    def __str__(self) -> str:
        words = [f"{self.layers} layers", f"width {self.width}"]
        if self.groups is not None:
            words.append(f"{self.groups} groups of {self.group_size} points")
        words.append(f"joint space {self.joint}" if self.joint else "no joint space")
        if not self.class_token:
            words.append("no class token")
        return ", ".join(words)


@dataclass(frozen=True)
class CatalogueEntry:
    """One published file.

    Args:
        name: What users type.
        kind: What is in it: both encoders, a point encoder alone, or a text tower alone.
        what: One line.
        file: Its name where it is published.
        source: Where it lies: on the hub, or a URL.
        licence: In short.
        terms: What to know before it is fetched.
        citation: The paper.
        shape: What it gives.
        size: Bytes, if known.
        sha256: Of the published file, if known.
        text: The text tower that the joint space belongs to; "" if it is in the file or there
            is none.
        text_entry: The entry that holds this tower; "" as above.
        per_patch: Whether patches, not whole clouds, are brought into the joint space.
        notes: More facts, a sentence each.
    """

    name: str
    kind: WeightsKind
    what: str
    file: str
    source: HubFile | str
    licence: str
    terms: str
    citation: str
    shape: EncoderShape
    size: int | None = None
    sha256: str | None = None
    text: str = ""
    text_entry: str = ""
    per_patch: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_backbone(self) -> bool:
        """Whether it makes a point-language model, with the file of its text side if need be."""
        return self.kind == "point-language" or bool(self.text and not self.per_patch)

    @property
    def command(self) -> str:
        """What fetches it."""
        return f"plane-anomalib weights get {self.name} --accept-terms"

    @property
    def manual(self) -> str:
        """How to bring it without this package's download, a sentence."""
        return (
            f"By hand: fetch {self.source} with any other program or machine, then run "
            f"`plane-anomalib weights get {self.name} --from FILE`."
        )


_ULIP_TERMS = (
    "Their authors state no licence for these weights. Their code is BSD-3-Clause; of the data "
    "behind them, the Objaverse triplets are ODC-BY 1.0 and the ShapeNet triplets fall under "
    "ShapeNet's terms (research purposes only). Take the weights for research purposes only."
)
_SHAPENET_TERMS = (
    "Published with MIT-licensed code and pretrained on ShapeNet, whose own terms allow "
    "non-commercial research only."
)
_BIGG = "open_clip ViT-bigG-14, laion2b_s39b_b160k"
_ULIP_1 = (
    'Xue et al., "ULIP: Learning a Unified Representation of Language, Images, and Point Clouds '
    'for 3D Understanding", CVPR 2023, arXiv:2212.05171'
)
_ULIP_2 = (
    'Xue et al., "ULIP-2: Towards Scalable Multimodal Pre-training for 3D Understanding", '
    "CVPR 2024, arXiv:2305.08275"
)

_ENTRIES = (
    CatalogueEntry(
        name="ulip2-xyz",
        kind="point-language",
        what="ULIP-2 PointBERT on 8k points without colour, with SLIP's text encoder",
        file="ULIP-2-PointBERT-8k-xyz-pc-slip_vit_b-objaverse-pretrained.pt",
        source=HubFile(
            "SFXX/ulip",
            "ULIP-2/pretrained_models/ULIP-2-PointBERT-8k-xyz-pc-slip_vit_b-objaverse-pretrained.pt",
            "dataset",
        ),
        licence="none stated; research only",
        terms=_ULIP_TERMS,
        citation=_ULIP_2,
        shape=EncoderShape(12, 384, 512, 32, 512),
        notes=("Most plausibly the encoder of the PLANE paper.",),
    ),
    CatalogueEntry(
        name="ulip2-xyzrgb",
        kind="point-encoder",
        what="ULIP-2 PointBERT on 10k coloured points; its text side is another file",
        file="ULIP-2-PointBERT-10k-xyzrgb-pc-vit_g-objaverse_shapenet-pretrained.pt",
        source=HubFile(
            "SFXX/ulip",
            "ULIP-2/pretrained_models/"
            "ULIP-2-PointBERT-10k-xyzrgb-pc-vit_g-objaverse_shapenet-pretrained.pt",
            "dataset",
        ),
        licence="none stated; research only",
        terms=_ULIP_TERMS,
        citation=_ULIP_2,
        shape=EncoderShape(18, 384, 512, 32, 1280),
        text=_BIGG,
        text_entry="openclip-bigg14",
        notes=(
            "A constant colour of 0.4, which its authors feed where there is none, is folded into "
            "the first bias by conversion.",
            "Its joint space is that of the entry openclip-bigg14, which PLANE needs as well.",
        ),
    ),
    CatalogueEntry(
        name="ulip1-pointbert",
        kind="point-language",
        what="ULIP-1 PointBERT on 8k points without colour, with SLIP's text encoder",
        file="checkpoint_pointbert.pt",
        source=HubFile(
            "SFXX/ulip",
            "ULIP-1/pretrained_models/ckpt_zero-sho_classification/checkpoint_pointbert.pt",
            "dataset",
        ),
        licence="none stated; research only",
        terms=_ULIP_TERMS,
        citation=_ULIP_1,
        shape=EncoderShape(12, 384, 512, 32, 512),
    ),
    CatalogueEntry(
        name="patchalign3d",
        kind="point-encoder",
        what="PatchAlign3D: the same encoder, aligned with text patch by patch",
        file="patchalign3d.pt",
        source=HubFile("patchalign3d/patchalign3d-encoder", "patchalign3d.pt"),
        licence="MIT",
        terms="Published under the MIT licence.",
        citation=(
            'Hadgi et al., "PatchAlign3D: Local Feature Alignment for Dense 3D Shape '
            'Understanding", CVPR 2026, arXiv:2601.02457'
        ),
        shape=EncoderShape(12, 384, 128, 32, 1280),
        text=_BIGG,
        text_entry="openclip-bigg14",
        per_patch=True,
        notes=(
            "Its authors swap Y and Z before the encoder; conversion folds that into the weights.",
            "Its projection into the joint space is per patch, after the final norm; it is kept by "
            "conversion, and no model here uses it yet.",
            "Its layout was taken from code that loads it, not from the file itself.",
        ),
    ),
    CatalogueEntry(
        name="point-mae",
        kind="point-encoder",
        what="Point-MAE pretrained on ShapeNet, as M3DM, PatchCore and Reg3DAD use it",
        file="pretrain.pth",
        source="https://github.com/Pang-Yatian/Point-MAE/releases/download/main/pretrain.pth",
        licence="MIT (code)",
        terms=_SHAPENET_TERMS,
        citation=(
            'Pang et al., "Masked Autoencoders for Point Cloud Self-supervised Learning", '
            "ECCV 2022, arXiv:2203.06604"
        ),
        shape=EncoderShape(12, 384, 64, 32, class_token=False),
        size=348_288_755,
        sha256="27ded932bb0a2625d5a8eb006df199b2578598c774aee6d86b985300b6a5fd20",
        notes=("M3DM runs it with 1,024 groups of 128 points, Real3D-AD with 16,384 of 128.",),
    ),
    CatalogueEntry(
        name="point-bert",
        kind="point-encoder",
        what="Point-BERT pretrained on ShapeNet, as M3DM and PatchCore use it",
        file="Point-BERT.pth",
        source="https://cloud.tsinghua.edu.cn/f/202b29805eea45d7be92/?dl=1",
        licence="MIT (code)",
        terms=_SHAPENET_TERMS,
        citation=(
            'Yu et al., "Point-BERT: Pre-training 3D Point Cloud Transformers with Masked Point '
            'Modeling", CVPR 2022, arXiv:2111.14819'
        ),
        shape=EncoderShape(12, 384, 64, 32),
        notes=("M3DM runs it with 1,024 groups of 128 points, Real3D-AD with 16,384 of 128.",),
    ),
    CatalogueEntry(
        name="openclip-bigg14",
        kind="text-tower",
        what="open_clip ViT-bigG-14: the text side of ulip2-xyzrgb and patchalign3d",
        file="open_clip_pytorch_model.bin",
        source=HubFile("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "open_clip_pytorch_model.bin"),
        licence="MIT",
        terms="Published under the MIT licence. The file is about 10.2 GB.",
        citation=(
            'Cherti et al., "Reproducible Scaling Laws for Contrastive Language-Image Learning", '
            "CVPR 2023, arXiv:2212.07143"
        ),
        shape=EncoderShape(32, 1280, joint=1280),
        sha256="0d5318839ad03607c48055c45897c655a14c0276a79f6b867934ddd073760e39",
        notes=("Conversion keeps its text tower, 2.8 GB; the file is not needed after that.",),
    ),
)

#: Entries by name.
CATALOGUE = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def find(name: str) -> CatalogueEntry:
    """The entry of a name.

    Raises:
        WeightsError: There is none; the nearest name is in the message.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    meant = what_was_meant(name.lower(), CATALOGUE)
    raise WeightsError(f"No published weights are called {name!r}: {meant}")
