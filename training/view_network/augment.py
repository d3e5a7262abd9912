"""Variation between centres and animals, put on network inputs batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_BONE_SHARE: Final = 0.25
Uniform = Callable[[float, float], Tensor]


@dataclass(frozen=True)
class Batch:
    """`pictures` float32 [n, 1, 96, 96] in 0..1 and the labels of `Samples`."""

    pictures: Tensor
    view: Tensor
    up: Tensor
    mirrored: Tensor


def augmented(batch: Batch, generator: torch.Generator) -> Batch:
    """Mirror (labels too), turn by up to 20 degrees, scale, shift, fatten, change tone, blur, add noise, cut off."""
    count = len(batch.view)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    across, along = uniform(0, 1) < 0.5, uniform(0, 1) < 0.5
    pictures = _placed(batch.pictures, uniform(-0.35, 0.35), uniform(0.7, 1.2), (across, along), uniform)
    up = torch.where(along, 1 - batch.up, batch.up)
    mirrored = torch.where(across ^ along, 1 - batch.mirrored, batch.mirrored)
    shape = (count, 1, 1, 1)
    # Some pictures show bone and hardly any soft tissue.
    cut = torch.where(uniform(0, 1) < _BONE_SHARE, uniform(0.3, 0.65), uniform(0, 0.2)).view(shape)
    gain = torch.exp(uniform(-0.4, 0.6)).view(shape) / (1 - cut)
    pictures = ((pictures - cut) * gain).clamp(0, 1) ** torch.exp(uniform(-0.7, 0.7)).view(shape)
    pictures = torch.where((uniform(0, 1) < 0.3).view(shape), _blurred(pictures), pictures)
    noise = torch.randn(pictures.shape, generator=generator) * uniform(0, 0.05).view(shape)
    covered = _covered(pictures + noise, uniform)
    return Batch(covered.clamp(0, 1), batch.view, up, mirrored)


def _placed(pictures: Tensor, angle: Tensor, scale: Tensor, flips: tuple[Tensor, Tensor], uniform: Uniform) -> Tensor:
    across, along = (torch.where(flip, -1.0, 1.0) for flip in flips)
    # Animals differ in girth more than in length: thin ones, fat ones, soft tissue that is seen or not.
    girth = scale * torch.exp(uniform(-0.3, 0.5))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    right = [across * cosine / girth, -across * sine / girth, uniform(-0.12, 0.12)]
    down = [along * sine / scale, along * cosine / scale, uniform(-0.12, 0.12)]
    rows = torch.stack([*right, *down], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False)


def _blurred(pictures: Tensor) -> Tensor:
    return functional.avg_pool2d(pictures, 3, stride=1, padding=1)


def _covered(pictures: Tensor, uniform: Uniform) -> Tensor:
    """Black out what lies beyond a random line for a third of the pictures: an animal that is cut off."""
    side = pictures.shape[-1]
    axis = torch.linspace(-1, 1, side)
    angle, distance = uniform(-3.1416, 3.1416), uniform(0.65, 1.2)
    distance = torch.where(uniform(0, 1) < 0.35, distance, torch.full_like(distance, 3.0))
    beyond = (
        torch.cos(angle).view(-1, 1, 1) * axis.view(1, 1, -1) + torch.sin(angle).view(-1, 1, 1) * axis.view(1, -1, 1)
    ) > distance.view(-1, 1, 1)
    return torch.where(beyond[:, None], torch.zeros(()), pictures)
