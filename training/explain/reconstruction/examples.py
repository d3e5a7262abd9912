"""Originals beside their reconstructions: the best, the median and the worst rebuilt test specimen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.explain.inspection.trained import Trained
from training.explain.reconstruction.measure import Rebuilt
from training.models.serving import unit_range
from training.report.plots.reconstruction import Example, draw_examples


def draw_rebuilt(path: Path, trained: Trained, rebuilt: Rebuilt) -> None:
    """Draw the three specimens by rising mean squared error."""
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
    draw_examples(path, examples, f"Best, median and worst rebuilt test specimen, {trained.name}")
