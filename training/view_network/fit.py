"""Fits the view network, with augmentation that imitates other centres and animals; deterministic by seed.

The view network: four strided convolutions and two dense layers, about 100,000 weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from services.intake.orient import CLASSES, INPUT_SIDE
from training.view_network.samples import Samples

_CHANNELS: Final = (16, 32, 48, 64)
_REDUCED: Final = 12
_HIDDEN: Final = 64


class ViewNetwork(nn.Module):
    """Input uint8 [n, 1, 96, 96]; outputs logits `view` [n, 3], `up` [n, 1] and `mirrored` [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels in _CHANNELS:
            layers += [
                nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
            before = channels
        layers += [nn.Conv2d(before, _REDUCED, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2)]
        side = INPUT_SIDE // 2 ** len(_CHANNELS)
        self.features = nn.Sequential(*layers, nn.Linear(_REDUCED * side * side, _HIDDEN), nn.ReLU())
        self.heads = nn.Linear(_HIDDEN, len(CLASSES) + 2)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three groups of logits."""
        features = self.features(picture.to(torch.float32) / 255)
        view, up, mirrored = torch.split(self.heads(features), [len(CLASSES), 1, 1], dim=1)
        return view, up, mirrored


_BONE_SHARE: Final = 0.25
Uniform = Callable[[float, float], Tensor]


@dataclass(frozen=True)
class ViewBatch:
    """`pictures` float32 [n, 1, 96, 96] in 0..1 and the labels of `Samples`."""

    pictures: Tensor
    view: Tensor
    up: Tensor
    mirrored: Tensor


def augmented(batch: ViewBatch, generator: torch.Generator) -> ViewBatch:
    """Mirror (with labels), rotate by up to 20 degrees, scale, shift, widen, change tone, blur, add noise, cut off."""
    count = len(batch.view)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    across, along = uniform(0, 1) < 0.5, uniform(0, 1) < 0.5
    pictures = _placed(batch.pictures, uniform(-0.35, 0.35), uniform(0.7, 1.2), (across, along), uniform)
    up = torch.where(along, 1 - batch.up, batch.up)
    mirrored = torch.where(across ^ along, 1 - batch.mirrored, batch.mirrored)
    shape = (count, 1, 1, 1)
    # Some pictures show bone with hardly any soft tissue.
    cut = torch.where(uniform(0, 1) < _BONE_SHARE, uniform(0.3, 0.65), uniform(0, 0.2)).view(shape)
    gain = torch.exp(uniform(-0.4, 0.6)).view(shape) / (1 - cut)
    pictures = ((pictures - cut) * gain).clamp(0, 1) ** torch.exp(uniform(-0.7, 0.7)).view(shape)
    pictures = torch.where((uniform(0, 1) < 0.3).view(shape), _blurred(pictures), pictures)
    noise = torch.randn(pictures.shape, generator=generator) * uniform(0, 0.05).view(shape)
    covered = _covered(pictures + noise, uniform)
    return ViewBatch(covered.clamp(0, 1), batch.view, up, mirrored)


def _placed(pictures: Tensor, angle: Tensor, scale: Tensor, flips: tuple[Tensor, Tensor], uniform: Uniform) -> Tensor:
    across, along = (torch.where(flip, -1.0, 1.0) for flip in flips)
    # Animals differ more in girth than in length: thin or fat, with or without visible soft tissue.
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
    """In a third of the pictures, black out everything beyond a random line, as for an animal that is cut off."""
    side = pictures.shape[-1]
    axis = torch.linspace(-1, 1, side)
    angle, distance = uniform(-3.1416, 3.1416), uniform(0.65, 1.2)
    distance = torch.where(uniform(0, 1) < 0.35, distance, torch.full_like(distance, 3.0))
    beyond = (
        torch.cos(angle).view(-1, 1, 1) * axis.view(1, 1, -1) + torch.sin(angle).view(-1, 1, 1) * axis.view(1, -1, 1)
    ) > distance.view(-1, 1, 1)
    return torch.where(beyond[:, None], torch.zeros(()), pictures)


_BATCH: Final = 128
_RATE: Final = 3e-3
_DECAY: Final = 1e-4
_SMOOTHING: Final = 0.02
"""Label smoothing: keeps probabilities moderate on pictures unlike the simulated ones."""
_OTHER: Final = CLASSES.index("other")


@dataclass(frozen=True)
class ViewTrainingOptions:
    """Length of the training and the seed of weights, batches and augmentation."""

    epochs: int
    seed: int


def fit(samples: Samples, options: ViewTrainingOptions, on_progress: Callable[[str], None]) -> ViewNetwork:
    """Train on all samples and return the network in evaluation mode; `on_progress` gets one line per epoch."""
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    network = ViewNetwork()
    steps = options.epochs * (len(samples.view) // _BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=steps)
    for epoch in range(options.epochs):
        network.train()
        losses = []
        shuffled = torch.randperm(len(samples.view), generator=generator)
        for start in range(0, len(shuffled) - _BATCH + 1, _BATCH):
            batch = augmented(to_batch(samples, shuffled[start : start + _BATCH].numpy()), generator)
            loss = _loss(network, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        on_progress(f"epoch {epoch + 1}/{options.epochs}: loss {np.mean(losses):.4f}")
    return network.eval()


def to_batch(samples: Samples, rows: NDArray[np.int64]) -> ViewBatch:
    """The chosen samples as tensors; pictures float32 [n, 1, 96, 96] in 0..1."""
    pictures = torch.from_numpy(samples.pictures[rows])[:, None].float() / 255
    labels = (torch.from_numpy(part[rows]) for part in (samples.view, samples.up, samples.mirrored))
    return ViewBatch(pictures, *labels)


def _loss(network: ViewNetwork, batch: ViewBatch) -> Tensor:
    view, up, mirrored = network(batch.pictures * 255)
    whole = batch.view != _OTHER
    loss = functional.cross_entropy(view, batch.view, label_smoothing=_SMOOTHING)
    for logits, labels in ((up, batch.up), (mirrored, batch.mirrored)):
        soft = labels[whole] * (1 - 2 * _SMOOTHING) + _SMOOTHING
        loss = loss + functional.binary_cross_entropy_with_logits(logits[whole, 0], soft)
    return loss
