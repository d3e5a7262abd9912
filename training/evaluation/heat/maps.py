"""Heat of chosen labels on chosen images: Grad-CAM of each layer, and what the bone head itself says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from training.evaluation.heat.altered import altered_channel
from training.evaluation.heat.grad_cam import Heat, Images, Rows, grad_cam
from training.evaluation.heat.layers import layers_of

BATCH: Final = 32


@dataclass(frozen=True)
class HeatMap:
    """Heat float32 [n, maps, h, w] from one source; `key` names files, `title` is for people."""

    key: str
    title: str
    heat: Heat


def heat_maps(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> tuple[HeatMap, ...]:
    """Heat of label `columns[n]` on image `rows[n]` of uint8 [all, side, side, 3], from each source.

    Sources are Grad-CAM of the layers that are shown and, of a backbone that learnt where altered bones lie, the
    probability that it gives each place of being altered for the label.
    """
    backbone.eval()
    names = [(f"grad-cam-{layer.key}", f"Grad-CAM, {layer.title}") for layer in layers_of(backbone)]
    parts = list(_batches(backbone, images, rows, columns))
    if len(parts[0]) > len(names):
        names.append(("bone-head", "bone head"))
    heats = [np.concatenate(of_source) for of_source in zip(*parts, strict=True)]
    return tuple(HeatMap(key, title, heat) for (key, title), heat in zip(names, heats, strict=True))


def _batches(backbone: nn.Module, images: Images, rows: Rows, columns: Rows) -> Iterator[list[Heat]]:
    layers = layers_of(backbone)
    for start in range(0, len(rows), BATCH):
        part = slice(start, start + BATCH)
        heats, output = grad_cam(backbone, layers, images[rows[part]], columns[part])
        yield heats if output.bones is None else [*heats, _said(output.bones.detach(), columns[part])]


def _said(bones: Tensor, columns: Rows) -> Heat:
    """Bone logits [n, 2, channels, h, w] to the probability [n, 2, h, w] of what each one's label stands for."""
    channels = torch.tensor([altered_channel(int(column)) for column in columns])
    return torch.sigmoid(bones[torch.arange(len(bones)), :, channels]).float().numpy()
