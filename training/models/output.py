"""What every backbone returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrunkBones(NamedTuple):
    """Bone logits [n, 2, channels, h, w] of the trunk's window of both views, and where in the views its cells lie.

    `places` is [2n, h, w, 2], for `training.models.trunk.sample`.
    """

    bones: Tensor
    places: Tensor


class Output(NamedTuple):
    """Logits [n, 14] in the order of `LABEL_ORDER`, and what is learnt from besides the labels.

    The logits of levels 2 and 3 are conditional on the specimen being abnormal: those levels learn from abnormal
    specimens only. `reconstruction` is an autoencoder's image [n, 3, side, side]; `bones` are logits
    [n, 2, channels, cells, cells] of where bones and altered bones lie in both views, in the order of
    `training.datasets.bone_truth.CHANNELS`, `trunk` the same of the trunk's window.
    """

    logits: Tensor
    reconstruction: Tensor | None = None
    bones: Tensor | None = None
    trunk: TrunkBones | None = None
