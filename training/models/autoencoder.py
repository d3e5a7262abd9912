"""The backbone driven by a convolutional autoencoder (paper section 4, "CAE-driven").

Size `small` trains on two CPU cores, `full` has the widths of the paper. In `wide` the autoencoder rebuilds single
views (`training.models.multiview`), first alone and then, at a low rate, together with the heads.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.labels import LABEL_ORDER, LEVEL2, LEVEL3
from services.common.preprocessing import DV_WEIGHT
from training.models.heads import EVIDENCE, CodeBoneHead, evidence, mean_and_deviation
from training.models.multiview.backbone import MultiviewBackbone, MultiviewSize
from training.models.multiview.stems import AutoencoderStem
from training.models.output import Backbone, ExplainedLayer, Output, TrunkBones
from training.models.spec import EVIDENCE_NOTE, BackbonePlan, BackboneSpec, StreamPlan
from training.models.trunk import cell_centres, normalise_contrast, sample_at, trunk_grid

_DARK: Final = -3.0
"""Initial logit of the decoder: most of an image is black air, and starting at grey costs epochs."""


@dataclass(frozen=True)
class AutoencoderSize:
    """Dimensions of the CAE-driven backbone.

    `widths` are the channels of the two convolutions; the second is the code's depth (128 in the paper). The heads read
    the code's means on a `grid` x `grid`, with each channel's mean and standard deviation (decision: the paper flattens
    56x56x128, which would give a dense layer 401,408 inputs). `bone_width` is the width of the head that learns where
    bones are in the trunk's window, and `dense` that of the label heads; a `bone_width` of 0 leaves the bone head out.
    """

    widths: tuple[int, int]
    grid: int
    bone_width: int
    dense: int
    dropout: float


class AutoencoderDriven(Backbone):
    """Encoder to a 56x56x128 code, mirrored decoder, and heads for the three levels on the pooled code."""

    def __init__(self, size: AutoencoderSize) -> None:
        super().__init__()
        first, code = size.widths
        # Sees the code of the whole image only; the trunk's window goes through the same encoder.
        self.code = nn.Identity()
        self.encoder = nn.Sequential(*_halving_block(3, first), *_halving_block(first, code))
        last = nn.ConvTranspose2d(first, 3, kernel_size=2, stride=2)
        if last.bias is not None:
            nn.init.constant_(last.bias, _DARK)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(code, first, kernel_size=2, stride=2), nn.ReLU(), last, nn.Sigmoid()
        )
        self.grid = size.grid
        self.trunk = TrunkCode(code, size.bone_width) if size.bone_width else None
        pooled = code * (size.grid**2 + 2) + (EVIDENCE if size.bone_width else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(pooled, affine=False), nn.Dropout(size.dropout))
        self.shortcut = nn.Linear(EVIDENCE, len(LABEL_ORDER)) if size.bone_width else None
        self.level1 = nn.Linear(pooled, 1)
        self.level2 = _dense_head(pooled, size)
        self.level2_output = nn.Linear(size.dense, len(LEVEL2))
        self.level3 = _dense_head(size.dense, size)
        self.level3_output = nn.Linear(size.dense, len(LEVEL3))

    def classify(self, features: Tensor) -> Tensor:
        """Turn features [n, features], before standardisation, into the 14 logits [n, 14]."""
        pooled = self.standardise(features)
        level2 = self.level2(pooled)
        level3 = self.level3(level2)
        logits = torch.cat([self.level1(pooled), self.level2_output(level2), self.level3_output(level3)], dim=1)
        return logits if self.shortcut is None else logits + self.shortcut(pooled[:, -EVIDENCE:])

    def forward(self, image: Tensor) -> Output:
        """Compute logits, reconstruction and bone logits of float32 [n, 3, side, side] images in [0, 1]."""
        code = self.code(self.encoder(image))
        trunk = None if self.trunk is None else self.trunk(self.encoder, image[:, :2])
        means = functional.avg_pool2d(code, code.shape[-1] // self.grid).flatten(1)
        joined = [means.float(), *mean_and_deviation(code)]
        if trunk is not None:
            joined.append(evidence(trunk.bones))
        features = torch.cat(joined, dim=1)
        return Output(self.classify(features), self.decoder(code), None, trunk, features)

    def explained_layers(self) -> tuple[ExplainedLayer, ...]:
        """Return the code of the whole image, and that of the trunk's window if the network reads it."""
        layers = [ExplainedLayer("code", "code", self.code, per_view=False)]
        if self.trunk is not None:
            layers.append(ExplainedLayer("trunk", "code, trunk", self.trunk.code, per_view=False, in_window=True))
        return tuple(layers)


class TrunkCode(nn.Module):
    """Applies the same encoder to the trunk's window and finds bones and altered bones in its code.

    Both windows have the same size, with the head up: DV, LAT and their blend form one image, as in the fused tensor.
    """

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.code = nn.Identity()
        self.bones = CodeBoneHead(depth, width)

    def forward(self, encoder: nn.Module, views: Tensor) -> TrunkBones:
        """Read DV and LAT, float32 [n, 2, side, side] in [0, 1]."""
        grid = trunk_grid(views)
        windows = normalise_contrast(sample_at(views.reshape(-1, 1, *views.shape[2:]), grid))
        windows = windows.reshape(-1, 2, *grid.shape[1:3])
        blend = DV_WEIGHT * windows[:, :1] + (1 - DV_WEIGHT) * windows[:, 1:]
        bones: Tensor = self.bones(self.code(encoder(torch.cat([windows, blend], dim=1))))
        return TrunkBones(bones.reshape(-1, 2, bones.shape[1] // 2, *bones.shape[2:]), cell_centres(grid))


def _bone_heads(size: AutoencoderSize | MultiviewSize) -> int:
    if isinstance(size, MultiviewSize):
        return 2
    return 1 if size.bone_width else 0


def _halving_block(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]


def _dense_head(inputs: int, size: AutoencoderSize) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, size.dense),
        nn.ReLU(),
        nn.Dropout(size.dropout),
        nn.Linear(size.dense, size.dense),
        nn.ReLU(),
        nn.Dropout(size.dropout),
    )


def _build(size: AutoencoderSize | MultiviewSize) -> Backbone:
    if isinstance(size, MultiviewSize):
        return MultiviewBackbone(AutoencoderStem(first=16, code=128, channels=64), size)
    return AutoencoderDriven(size)


def _describe(size: AutoencoderSize | MultiviewSize) -> str:
    if isinstance(size, MultiviewSize):
        return f"convolutional autoencoder of single views, code 56x56x128, {size.describe()}"
    code = f"code 56x56x{size.widths[1]}, pooled to {size.grid}x{size.grid}"
    return f"convolutional autoencoder {size.widths}, {code}{EVIDENCE_NOTE if size.bone_width else ''}"


_SMALL: Final = AutoencoderSize(widths=(8, 128), grid=4, bone_width=64, dense=64, dropout=0.5)
_FULL: Final = AutoencoderSize(widths=(64, 128), grid=7, bone_width=0, dense=256, dropout=0.5)
_SMALL_PLAN: Final = BackbonePlan(
    epochs=10,
    patience=4,
    batch=16,
    learning_rate=1e-3,
    weight_decay=0.05,
    reconstruction_weight=10,
    head_weight_decay=0.3,
)
_FULL_PLAN: Final = BackbonePlan(
    epochs=100, patience=3, batch=32, learning_rate=1e-3, weight_decay=0.01, reconstruction_weight=10
)

_WIDE_PLAN: Final = BackbonePlan(
    epochs=40,
    patience=40,
    batch=16,
    learning_rate=2e-3,
    weight_decay=0.05,
    reconstruction_weight=1,
    front_end_rate=0.1,
    head_weight_decay=0.3,
    stream=StreamPlan(steps=64, reconstruction_epochs=6),
)

AUTOENCODER: Final[BackboneSpec[AutoencoderSize | MultiviewSize]] = BackboneSpec(
    name="cae",
    sizes={
        "small": _SMALL,
        "small-tensor": _SMALL,
        "full": _FULL,
        "wide": MultiviewSize(width=48, fine_blocks=1, coarse_blocks=2),
    },
    plans={
        "small": _SMALL_PLAN,
        "small-448": replace(_SMALL_PLAN, epochs=2, learning_rate=3e-4),
        "small-tensor": _SMALL_PLAN,
        "full": _FULL_PLAN,
        "wide": _WIDE_PLAN,
        "wide-448": replace(_WIDE_PLAN, epochs=10, learning_rate=5e-4, stream=StreamPlan(steps=64)),
        "refresh-wide": replace(_WIDE_PLAN, epochs=3, patience=2, learning_rate=2e-4, stream=None),
        "refresh-small": replace(_SMALL_PLAN, epochs=3, patience=2, learning_rate=2e-4),
        "refresh-full": replace(_FULL_PLAN, epochs=10, learning_rate=2e-4),
    },
    build=_build,
    describe=_describe,
    bone_heads=_bone_heads,
)
