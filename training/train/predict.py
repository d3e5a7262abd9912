"""Run a backbone over specimens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.datasets.store import Subset
from training.models.serving import unit_range

_BATCH = 32


def predict(backbone: nn.Module, subset: Subset) -> Tensor:
    """Return the uncalibrated logits [n, 14] of a subset, in float32."""
    backbone.eval()
    with torch.inference_mode():
        logits = [backbone(unit_range(torch.from_numpy(batch))).logits for batch in subset.batches(_BATCH)]
    return torch.cat(logits).clone()
