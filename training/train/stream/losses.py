"""The losses of a multiview backbone's tasks. Every one has a truth that only the simulator knows completely.

Landmarks: the heat map's cross-entropy with a Gaussian around the true point, relative to the best possible value, and
that of presence. Attention: each label's query looks at the bones that were altered for it. Reconstruction: squared
error and structural similarity (Wang et al., IEEE TIP 2004, 13(4), 600); the squared error alone learns outlines first
and bones last.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from services.common.labels import LABEL_ORDER
from training.models.multiview.backbone import SIDE
from training.models.multiview.cells import VIEWS
from training.models.multiview.landmarks import FoundLandmarks
from training.models.output import Output, TrunkBones, unit_range
from training.models.trunk import sample_at
from training.simulation.bone_truth import LEAST_COVER, altered_channel

_SIGMA: Final = 0.6
"""Of the Gaussian around a landmark, in cells: wide enough that its mean over the cells is the point itself."""
_BEYOND: Final = 1.0
"""Cells: a landmark whose nearest cell is farther away is outside the window."""
_LEAST_ATTENTION: Final = 1e-4
_SSIM_WINDOW: Final = 7
_C1, _C2 = 0.01**2, 0.03**2
"""Constants of structural similarity for grey levels in [0, 1]."""


def landmark_losses(found: FoundLandmarks, points: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses of places and of presence, both scalars.

    `points` float32 [m, landmarks, 2] in the view's coordinates and `present` bool [m, landmarks] are the truth.
    """
    places = found.places
    cell = (places[:, 1] - places[:, 0]).square().sum(dim=1).sqrt()[:, None, None]
    distance = torch.cdist(points, places) / cell
    inside = present & (distance.amin(dim=2) < _BEYOND)
    target = torch.softmax(-0.5 * (distance / _SIGMA).square(), dim=2)
    excess = (target * (torch.log(target + 1e-12) - torch.log_softmax(found.heat, dim=2))).sum(dim=2)
    place = (excess * inside).sum() / inside.sum().clamp(min=1)
    return place, functional.binary_cross_entropy_with_logits(found.presence, inside.to(found.presence))


def attention_loss(attention: Tensor, bones: Tensor, whole: tuple[int, int], trunk: TrunkBones) -> Tensor:
    """Return minus the log of the attention that labels' queries pay to the bones altered for them, averaged.

    `attention` is [n, heads, 14, cells], `bones` uint8 [n, 2, channels, 56, 56]; `whole` is the size of the whole
    views' map. Only labels count whose altered bones are seen somewhere.
    """
    channels = [altered_channel(column) for column in range(len(LABEL_ORDER))]
    altered = bones[:, :, channels].float()
    views = functional.interpolate(altered.flatten(1, 2), size=whole, mode="area").reshape(*altered.shape[:3], *whole)
    sampled = sample_at(altered.flatten(0, 1), trunk.places)
    windows = sampled.reshape(*altered.shape[:3], *sampled.shape[2:])
    cells = [(maps >= LEAST_COVER).float().flatten(3).permute(0, 2, 1, 3).flatten(2) for maps in (views, windows)]
    shown = torch.cat(cells, dim=2)
    mass = (attention.mean(dim=1) * shown).sum(dim=2)
    counted = shown.amax(dim=2)
    return -(torch.log(mass + _LEAST_ATTENTION) * counted).sum() / counted.sum().clamp(min=1)


def views_of(images: Tensor) -> Tensor:
    """Return DV and LAT, float32 [n, 2, 224, 224] in [0, 1], of tensors uint8 [n, side, side, 3]."""
    views = unit_range(images)[:, :VIEWS]
    factor = views.shape[-1] // SIDE
    return functional.avg_pool2d(views, factor) if factor > 1 else views


def reconstruction_loss(rebuilt: Tensor, views: Tensor) -> Tensor:
    """Return ten times the squared error plus one minus the structural similarity of [n, channels, side, side]."""
    similarity = structural_similarity(rebuilt, views).mean()
    return 10 * functional.mse_loss(rebuilt, views) + 1 - similarity


def structural_similarity(rebuilt: Tensor, views: Tensor) -> Tensor:
    """Return the structural similarity [n] of pictures [n, channels, side, side] in [0, 1].

    With a uniform window of 7 pixels, which costs a tenth of a Gaussian one.
    """
    mean, true_mean = _smooth(rebuilt), _smooth(views)
    variance, true_variance = _smooth(rebuilt**2) - mean**2, _smooth(views**2) - true_mean**2
    covariance = _smooth(rebuilt * views) - mean * true_mean
    luminance = (2 * mean * true_mean + _C1) / (mean**2 + true_mean**2 + _C1)
    return (luminance * (2 * covariance + _C2) / (variance + true_variance + _C2)).flatten(1).mean(dim=1)


def _smooth(pictures: Tensor) -> Tensor:
    return functional.avg_pool2d(pictures, kernel_size=_SSIM_WINDOW, stride=1)


def task_losses(output: Output, points: Tensor, present: Tensor, bones: Tensor, views: Tensor) -> dict[str, Tensor]:
    """Return the losses of all tasks but labels and bones, by name: landmarks, presence, attention, reconstruction.

    `points` [n, 2, landmarks, 2], `present` [n, 2, landmarks] and `bones` are the truth, `views` [n, 2, 224, 224] what
    an autoencoder rebuilds. Raises ValueError for a backbone that is not multiview.
    """
    if output.landmarks is None or output.attention is None or output.bones is None or output.trunk is None:
        msg = "only a multiview backbone learns landmarks and attention"
        raise ValueError(msg)
    pairs = [landmark_losses(found, points.flatten(0, 1), present.flatten(0, 1)) for found in output.landmarks]
    places, presences = (torch.stack(values).sum() for values in zip(*pairs, strict=True))
    rows, columns = output.bones.shape[-2:]
    losses = {
        "landmarks": places,
        "presence": presences,
        "attention": attention_loss(output.attention, bones, (rows, columns), output.trunk),
    }
    if output.reconstruction is not None:
        losses["reconstruction"] = reconstruction_loss(output.reconstruction.float(), views)
    return losses
