"""Batch normalisation folded into the convolution before it, for layers that do not learn."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(parent: nn.Module) -> None:
    """Replace each convolution and the batch normalisation behind it by one convolution; keep the activation."""
    previous, convolution = "", None
    for name, child in list(parent.named_children()):
        if isinstance(child, nn.BatchNorm2d) and convolution is not None:
            setattr(parent, previous, fuse_conv_bn_eval(convolution, child))
            setattr(parent, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norm(child)
        previous, convolution = name, child if isinstance(child, nn.Conv2d) else None
