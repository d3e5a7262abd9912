"""How well an autoencoder reconstructs the test specimens' tensors.

Measured by mean squared error and structural similarity (Wang et al., IEEE TIP 2004, 13(4), 600).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from training.datasets.arrays import known
from training.datasets.store import Subset
from training.explain.run_folder import TrainedBackbone
from training.metrics.ranking import Estimate, auc_with_interval, resample
from training.models.output import unit_range
from training.plots.pictures import Example, draw_examples


def draw_rebuilt(path: Path, trained: TrainedBackbone, rebuilt: RebuiltSpecimen) -> None:
    """Draw the specimens with the smallest, the median and the largest mean squared error next to their originals."""
    order = np.argsort(rebuilt.mse, kind="stable")
    chosen = order[sorted({0, len(order) // 2, len(order) - 1})]
    originals = trained.test.images[trained.test.rows[chosen]]
    trained.backbone.eval()
    with torch.inference_mode():
        outputs = trained.backbone(unit_range(torch.from_numpy(originals))).reconstruction
    pictures = outputs.permute(0, 2, 3, 1).numpy()
    examples = [
        Example(f"MSE {rebuilt.mse[row]:.5f}\nSSIM {rebuilt.ssim[row]:.3f}", original / 255, picture)
        for row, original, picture in zip(chosen.tolist(), originals, pictures, strict=True)
    ]
    draw_examples(path, examples, f"Best, median and worst reconstruction of a test specimen, {trained.name}")


BATCH: Final = 16
PAPER_MSE: Final = (0.00139, 0.0004)
"""Mean and standard deviation on the paper's test images."""
PAPER_SSIM: Final = (0.9204, 0.0203)


@dataclass(frozen=True)
class RebuiltSpecimen:
    """`mse` and `ssim` of each test specimen [n], over all three channels in the range 0..1."""

    mse: NDArray[np.float64]
    ssim: NDArray[np.float64]


@dataclass(frozen=True)
class RebuiltGroup:
    """Mean and standard deviation (n - 1) of a group of specimens."""

    name: str
    specimens: int
    mse: tuple[float, float]
    ssim: tuple[float, float]


@dataclass(frozen=True)
class Reconstruction:
    """Figures of all test specimens, the normal and the abnormal ones; `level1_auc` uses the error as level-1 score."""

    rebuilt: RebuiltSpecimen
    groups: tuple[RebuiltGroup, ...]
    level1_auc: Estimate


def reconstruction(backbone: nn.Module, test: Subset) -> Reconstruction | None:
    """Measure the reconstructions of the test specimens; None for a backbone that has no decoder."""
    parts: list[tuple[Tensor, Tensor]] = []
    backbone.eval()
    with torch.inference_mode():
        for images in test.batches(BATCH):
            image = unit_range(torch.from_numpy(images))
            rebuilt = backbone(image).reconstruction
            if rebuilt is None:
                return None
            parts.append(errors(rebuilt, image))
    mse, ssim = (torch.cat(part).double().numpy() for part in zip(*parts, strict=True))
    return _summary(RebuiltSpecimen(mse, ssim), test)


def errors(rebuilt: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """MSE and SSIM [n] of images [n, channels, side, side] in 0..1; SSIM with the usual Gaussian window, sigma 1.5."""
    mse = (rebuilt - image).square().mean(dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(rebuilt, image, data_range=1.0, reduction="none")
    return mse, torch.as_tensor(ssim)


def _summary(rebuilt: RebuiltSpecimen, test: Subset) -> Reconstruction:
    level1 = test.labels[:, 0]
    masks = {"all": np.ones(len(test), dtype=np.bool_), "normal": level1 == 0, "abnormal": level1 == 1}
    groups = [
        RebuiltGroup(
            name, int(mask.sum()), _mean_and_deviation(rebuilt.mse[mask]), _mean_and_deviation(rebuilt.ssim[mask])
        )
        for name, mask in masks.items()
    ]
    rows = known(level1)
    auc = auc_with_interval(level1[rows], rebuilt.mse[rows], resample(int(rows.sum())))
    return Reconstruction(rebuilt, tuple(groups), auc)


def _mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")
