"""The paper's other methods of fusing DV and LAT into one image, as baselines of the front end's maps.

The paper (section 3.3) names averaging, min-max projection, principal components and gradients without a formula.
Decisions: everything is computed from one specimen's two views, so nothing is fitted and an image does not depend on
the rest of its set. No channel is left empty, because the classifier's ImageNet weights expect three. The pixels of the
two views show different parts of the animal, and all of these methods overlay them nevertheless; the front end's maps
avoid that.

All methods share the classifier: one logistic regression per label on frozen ImageNet features, which come from the
same front end as in the ConvNeXt-driven backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from training.datasets.arrays import scored
from training.datasets.store import Subset
from training.models.front_end import INPUT_MEAN, INPUT_SCALE, fold_batch_norm, load_imagenet
from training.models.heads import mean_and_deviation

BATCH: Final = 32
_BLOCK_3: Final = 2


class FrozenFeatures(nn.Module):
    """Images, float32 [n, 3, side, side] in [0, 1], to [n, 480]: means and deviations of block 3b's 240 maps."""

    def __init__(self) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        load_imagenet(network)
        last = network.blocks[_BLOCK_3][1]
        self.layers = nn.Sequential(
            network.conv_stem,
            network.bn1,
            *network.blocks[:_BLOCK_3],
            network.blocks[_BLOCK_3][0],
            nn.Sequential(last.conv_pw, last.bn1, last.conv_dw, last.bn2),
        )
        fold_batch_norm(self.layers.eval())
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute the features."""
        return torch.cat(mean_and_deviation(self.layers((pictures - INPUT_MEAN) / INPUT_SCALE)), dim=1)


def fused_features(
    network: FrozenFeatures, subset: Subset, fuse: Callable[[Pictures], Pictures], on_done: Callable[[int], None]
) -> NDArray[np.float32]:
    """Return features float32 [n, 480] of a subset's fused images; `on_done` receives each batch's size."""
    parts = []
    for images in subset.batches(BATCH):
        pictures = fuse(np.ascontiguousarray(images[..., :2].transpose(0, 3, 1, 2)))
        image = torch.from_numpy(pictures).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            parts.append(network(image).numpy())
        on_done(len(images))
    return np.concatenate(parts)


STRENGTH: Final = 0.003
"""Inverse of the L2 penalty, the same for all labels and methods: chosen once, not tuned for any of them."""


class LabelRegressions:
    """Fourteen logistic regressions, level 1 on all specimens, levels 2 and 3 on abnormal ones; deterministic."""

    def __init__(self, features: NDArray[np.float32], labels: NDArray[np.uint8]) -> None:
        """Fit on features [n, features] and labels [n, 14]; each label needs both classes among its specimens."""
        self._scale = StandardScaler().fit(features)
        standard = self._scale.transform(features)
        rows = scored(labels)
        self._models = [
            _fitted(standard[rows[:, column]], labels[rows[:, column], column]) for column in range(len(LABEL_ORDER))
        ]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits [n, 14] of features [n, features]; levels 2 and 3 given abnormal."""
        standard = self._scale.transform(features)
        return np.stack([model.decision_function(standard) for model in self._models], axis=1).astype(np.float32)


def leave_centre_out_logits(
    train: tuple[NDArray[np.float32], Subset], other: tuple[NDArray[np.float32], Subset]
) -> NDArray[np.float32]:
    """Return logits [n, 14] of the `other` specimens, from regressions without the training specimens of their centre.

    Both arguments are features with their specimens.
    """
    features, specimens = train
    other_features, other_specimens = other
    logits = np.zeros((len(other_specimens), len(LABEL_ORDER)), dtype=np.float32)
    for centre in sorted(set(other_specimens.centres)):
        kept, rows = np.array(specimens.centres) != centre, np.array(other_specimens.centres) == centre
        logits[rows] = LabelRegressions(features[kept], specimens.labels[kept]).logits(other_features[rows])
    return logits


def _fitted(features: NDArray[np.float32], truth: NDArray[np.uint8]) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000).fit(features, truth)


Pictures = NDArray[np.uint8]
Numbers = NDArray[np.float32]

_GREY: Final = 127.5
_SOBEL_GAIN: Final = 8.0
"""Response of a 3x3 Sobel kernel to a unit slope."""
_GRADIENT_LIMIT: Final = 32.0
"""Gradient, in grey levels per pixel, that is shown as white: the steepest edges of bone."""


def average(views: Pictures) -> Pictures:
    """Mean of both views in all channels; all methods map uint8 [n, 2, side, side] to uint8 [n, 3, side, side]."""
    return _stacked([views.mean(axis=1, dtype=np.float32)] * 3)


def min_max(views: Pictures) -> Pictures:
    """Projections: the darker pixel of both views, the brighter one, and their mean."""
    return _stacked([_numbers(views.min(axis=1)), _numbers(views.max(axis=1)), views.mean(axis=1, dtype=np.float32)])


def principal_components(views: Pictures) -> Pictures:
    """First and second principal component of a specimen's pairs of pixels, and the mean of both views.

    The absolute weights of a component sum to 1. The sum of the first one's weights is positive: for views that
    brighten together it is a weighted mean. The second one's weight of the DV is positive, and it is centred on grey.
    Constant views have equal weights.
    """
    channels = [_components(pair) for pair in views]
    first, second = (np.stack(each) for each in zip(*channels, strict=True))
    return _stacked([first, second, views.mean(axis=1, dtype=np.float32)])


def gradients(views: Pictures) -> Pictures:
    """Both views weighted by the gradient of each at the pixel, then the gradients of DV and LAT."""
    gradient = np.stack([[_gradient(view) for view in pair] for pair in views])
    # A constant keeps the weights equal where neither view has an edge.
    weights = gradient + 1
    blend = (weights * views).sum(axis=1) / weights.sum(axis=1)
    shown = gradient * (255 / _GRADIENT_LIMIT)
    return _stacked([blend, shown[:, 0], shown[:, 1]])


def views_and_mean(views: Pictures) -> Pictures:
    """The views in separate channels, and their mean: nothing is fused before the classifier."""
    return _stacked([_numbers(views[:, 0]), _numbers(views[:, 1]), views.mean(axis=1, dtype=np.float32)])


def _components(pair: Pictures) -> tuple[Numbers, Numbers]:
    pixels = pair.reshape(2, -1).astype(np.float64)
    mean = pixels.mean(axis=1, keepdims=True)
    covariance = np.cov(pixels)
    if covariance.any():
        _, vectors = np.linalg.eigh(covariance)
        first, second = vectors[:, 1], vectors[:, 0]
    else:
        first, second = np.array([1.0, 1.0]), np.array([1.0, -1.0])
    first = first / np.abs(first).sum() * (1 if first.sum() >= 0 else -1)
    second = second / np.abs(second).sum() * (1 if second[0] >= 0 else -1)
    shape = pair.shape[1:]
    return (
        (first @ pixels).reshape(shape).astype(np.float32),
        (second @ (pixels - mean) + _GREY).reshape(shape).astype(np.float32),
    )


def _gradient(view: NDArray[np.uint8]) -> Numbers:
    right, down = (cv2.Sobel(view, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(right, down) / _SOBEL_GAIN, dtype=np.float32)


def _numbers(pictures: Pictures) -> Numbers:
    return pictures.astype(np.float32)


def _stacked(channels: list[Numbers]) -> Pictures:
    return np.stack([np.clip(np.rint(one), 0, 255).astype(np.uint8) for one in channels], axis=1)


CHANNELS_ONLY: Final = "channels"
METHODS: Final[Mapping[str, Callable[[Pictures], Pictures]]] = MappingProxyType(
    {
        "average": average,
        "min-max": min_max,
        "principal-components": principal_components,
        "gradients": gradients,
        CHANNELS_ONLY: views_and_mean,
    }
)
"""All methods by name; `channels` fuses nothing and is the reference for the others."""
